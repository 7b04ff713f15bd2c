#import step

@group(1) @binding(0) var<uniform> step: Step;

// Stands in a shape for the number of rows of the step's batch.
const BATCH = 0xffffffffu;

fn rows_of(rows: u32) -> u32 {
    return select(rows, step.rows, rows == BATCH);
}
