// The ways to make a product, of which a kernel has one: `product(at)`, and behind it `sums` with `row_of` and `column_of`.

#import product unless SUBGROUP COOPERATIVE BY_LANES
#import product_subgroup if SUBGROUP
#import product_cooperative if COOPERATIVE
#import product_lanes if BY_LANES
