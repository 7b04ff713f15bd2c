// What workgroup memory holds of a product's operands, where they are in half precision and the adapter has it.

enable f16;

alias Four = vec4<f16>;
