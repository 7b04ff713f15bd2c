// The answers of several networks as one, for each of them: output[r, c] = the mean of answers[r, c] over the members of its group.
// If NORMAL, every second column is a deviation s of a normal distribution, whose mean m is before it: that of the members'
// distributions together is the root of the mean of (m - mean m)^2 + s^2.
//
// answers  [batch, columns]
// output   [batch, columns]
//
// An invocation makes a value at a time, a member is a layer of the grid's z; so many layers are a group, from the first on.

#import batch

override NORMAL: bool = false;

struct Shape {
    answers: vec2<u32>,
    output: vec2<u32>,
    columns: u32,
    members: u32, // of a group
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> answers: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = shape.answers.x + id.z / shape.members * shape.members * shape.answers.y;
    let o = shape.output.x + id.z * shape.output.y;
    for (var i = id.x; i < step.rows * shape.columns; i += 64u * groups.x) {
        if NORMAL && i % 2u == 1u {
            output[o + i] = sqrt(variance(first + i));
        } else {
            output[o + i] = mean(first + i);
        }
    }
}

// Of the numbers of all members, of which the first has its own at a place.
fn mean(place: u32) -> f32 {
    var sum = 0.0;
    for (var member = 0u; member < shape.members; member += 1u) {
        sum += answers[place + member * shape.answers.y];
    }
    return sum * (1.0 / f32(shape.members));
}

fn variance(place: u32) -> f32 {
    let centre = mean(place - 1u);
    var sum = 0.0;
    for (var member = 0u; member < shape.members; member += 1u) {
        let at = place + member * shape.answers.y;
        let away = answers[at - 1u] - centre;
        sum += away * away + answers[at] * answers[at];
    }
    return sum * (1.0 / f32(shape.members));
}
