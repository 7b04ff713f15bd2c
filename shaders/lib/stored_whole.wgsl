// What workgroup memory holds of a product's operands.

alias Four = vec4<f32>;
