#import batch
#import update
#import ones unless FOURS EIGHTS
#import fours if FOURS
#import eights if EIGHTS

// All weights' updates. An invocation updates a weight, or four or eight, at a time, a member is a layer of the grid's z. The penalties
// are on the first `decayed` weights alone. Imported by lib/moments0 to moments3, which declare `shape` and the moments.

override RULE: u32 = 0u;
override FOURS: bool = false;
override EIGHTS: bool = false;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> gradients: array<Stored>;
@group(0) @binding(2) var<storage, read> hyper: array<f32>; // eta, lambda, mu, lambda1
@group(0) @binding(3) var<storage, read_write> parameters: array<Stored>;

// Of a weight, or four or eight.
struct Moments {
    first: Numbers,
    second: Numbers,
    third: Numbers,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let h = shape.hyper.x + id.z * shape.hyper.y;
    let decay = hyper[h + 1u];
    let l1 = hyper[h + 3u];
    var rates = Rates(
        hyper[h] * step.rate,
        0.0,
        0.0,
        hyper[h + 2u],
        vec3(step.correction1, step.correction2, step.correction3),
        shape.beta1,
        shape.beta2,
        shape.epsilon,
        shape.nesterov == 1u,
    );
    let length = (shape.length + COUNT - 1u) / COUNT;
    let decayed = shape.decayed;
    let first = (shape.parameters.x + id.z * shape.parameters.y) / COUNT;
    let first_gradient = (shape.gradients.x + id.z * shape.gradients.y) / COUNT;
    let first_moments = first_moments(id.z);
    for (var i = id.x; i < length; i += 64u * groups.x) {
        let w = numbers(parameters[first + i]);
        let g = numbers(gradients[first_gradient + i]);
        let m = moments(first_moments + i);
        var after = w;
        var kept = m;
#repeat c COUNT
        rates.decay = select(0.0, decay, COUNT * i + {c}u < decayed);
        rates.l1 = select(0.0, l1, COUNT * i + {c}u < decayed);
        let own_{c} = vec3(number(m.first, {c}u), number(m.second, {c}u), number(m.third, {c}u));
        let new_{c} = update(RULE, Weight(number(w, {c}u), own_{c}), number(g, {c}u), rates);
        after = put(after, {c}u, new_{c}.w);
        kept.first = put(kept.first, {c}u, new_{c}.moments.x);
        kept.second = put(kept.second, {c}u, new_{c}.moments.y);
        kept.third = put(kept.third, {c}u, new_{c}.moments.z);
#end
        parameters[first + i] = stored(after);
        keep(first_moments + i, kept);
    }
}
