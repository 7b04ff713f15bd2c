// What workgroup memory holds of a product's operands.

alias Stored = f32;
