// Adam with the largest v so far in place of v; for each weight w and its gradient g.
//
// gradients   [1, length]
// hyper       [1, 8]: eta, lambda, mu, lambda1
// parameters  [1, length]
// moment1     [1, length]: m
// moment2     [1, length]: v
// moment3     [1, length]: the largest v
//
// An invocation updates a weight at a time, a member is a layer of the grid's z (lib/updates).

#import moments3
