// w = w - eta*lambda*w - eta*g; for each weight w and its orthogonalised momentum g.
//
// gradients   [1, length]: g
// hyper       [1, 8]: eta, lambda, mu, lambda1
// parameters  [1, length]
//
// An invocation updates a weight at a time, a member is a layer of the grid's z (lib/updates).

#import moments0
