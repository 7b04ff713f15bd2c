// m = b1*m + (1-b1)*g; v = b2*v + (1-b2)*g^2; w = w - eta * (m/c1) / (sqrt(v/c2) + epsilon), and its kin AdamW, NAdam
// and RAdam, as lib/update has them; for each weight w and its gradient g.
//
// gradients   [1, length]
// hyper       [1, 8]: eta, lambda, mu, lambda1
// parameters  [1, length]
// moment1     [1, length]: m
// moment2     [1, length]: v
//
// An invocation updates a weight at a time, a member is a layer of the grid's z (lib/updates).

#import moments2
