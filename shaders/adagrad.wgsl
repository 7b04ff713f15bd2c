// s = s + g^2; w = w - eta * g / (sqrt(s) + epsilon); for each weight w and its gradient g.
//
// gradients   [1, length]
// hyper       [1, 8]: eta, lambda, mu, lambda1
// parameters  [1, length]
// moment1     [1, length]: s
//
// An invocation updates a weight at a time, a member is a layer of the grid's z (lib/updates).

#import moments1
