// v = b2*v + (1-b2)*g^2; b = mu*b + g / (sqrt(v) + epsilon); w = w - eta*b; for each weight w and its gradient g.
//
// gradients   [1, length]
// hyper       [1, 8]: eta, lambda, mu, lambda1
// parameters  [1, length]
// moment1     [1, length]: v
// moment2     [1, length]: b
//
// An invocation updates a weight at a time, a member is a layer of the grid's z (lib/updates).

#import moments2
