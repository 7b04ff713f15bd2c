//! What plain kernels reach on an adapter: a loop of multiply-adds, and a copy.

use std::time::Instant;

/// The best rates that were seen, in billions a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) flops: f64,
    pub(crate) bytes: f64,
}

const LANES: u32 = 64;
const GROUPS: u32 = 1024;
const ROUNDS: u32 = 512;

/// Eight vectors of four, so that a multiply-add waits for none before it.
const FMA: &str = "
@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    let x = input[at.x];
    var a = x; var b = x + 1.0; var c = x + 2.0; var d = x + 3.0;
    var e = x + 4.0; var f = x + 5.0; var g = x + 6.0; var h = x + 7.0;
    for (var i = 0u; i < 512u; i++) {
        a = fma(a, x, x); b = fma(b, x, x); c = fma(c, x, x); d = fma(d, x, x);
        e = fma(e, x, x); f = fma(f, x, x); g = fma(g, x, x); h = fma(h, x, x);
    }
    output[at.x] = a + b + c + d + e + f + g + h;
}";

const COPY: &str = "
@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    output[at.x] = input[at.x];
}";

/// Measures the adapter of this name.
pub(crate) fn probe(name: &str) -> Option<Probe> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let named = |adapter: &wgpu::Adapter| adapter.get_info().name == name;
    let adapter = adapters.into_iter().find(named)?;
    let request = adapter.request_device(&wgpu::DeviceDescriptor::default());
    let (device, queue) = pollster::block_on(request).ok()?;
    let lanes = f64::from(LANES * GROUPS);
    let fma = seconds(&device, &queue, FMA, GROUPS)?;
    let groups = 16 * GROUPS;
    let copy = seconds(&device, &queue, COPY, groups)?;
    Some(Probe {
        flops: lanes * f64::from(ROUNDS) * 8.0 * 4.0 * 2.0 / fma / 1e9,
        bytes: f64::from(LANES * groups) * 2.0 * 16.0 / copy / 1e9,
    })
}

/// The least of ten times.
fn seconds(device: &wgpu::Device, queue: &wgpu::Queue, text: &str, groups: u32) -> Option<f64> {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let buffers = [(); 2].map(|()| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(16 * LANES * groups),
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    });
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[0, 1].map(|binding| wgpu::BindGroupEntry {
            binding,
            resource: buffers[binding as usize].as_entire_binding(),
        }),
    });
    let mut least = f64::INFINITY;
    for _ in 0..10 {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bindings, &[]);
            pass.dispatch_workgroups(groups, 1, 1);
        }
        let start = Instant::now();
        queue.submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely()).ok()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Some(least)
}
