// v = mu*v + g; w = w - eta*v, or w - eta*(g + mu*v) with Nesterov's momentum; for each weight w and its gradient g.
//
// gradients   [1, length]
// hyper       [1, 8]: eta, lambda, mu, lambda1
// parameters  [1, length]
// moment1     [1, length]: v
//
// An invocation updates a weight at a time, a member is a layer of the grid's z (lib/updates).

#import moments1
