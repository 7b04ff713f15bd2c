// What changes from step to step: `Step` in src/program/mod.rs. A dispatch reads its own step at a dynamic offset.

struct Step {
    first: u32,
    rows: u32,
    record: u32,
    loss_scale: f32,
    rate: f32,
    correction1: f32,
    correction2: f32,
    correction3: f32,
    number: u32,
    average: f32,
}
