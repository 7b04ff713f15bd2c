/// Methods of a [`Backend`](crate::backend::Backend) that the one in a field does: for a backend around another, which does the others
/// itself. As in `impl Backend for Slow { forward!(inner: device, limits, compile, write, read); fn run(…) {…} }`.
#[macro_export]
macro_rules! forward {
    ($inner:tt: $($method:ident),+) => {
        $($crate::forward!(@$method $inner);)+
    };
    (@device $inner:tt) => {
        fn device(&self) -> String {
            self.$inner.device()
        }
    };
    (@limits $inner:tt) => {
        fn limits(&self) -> $crate::backend::Limits {
            self.$inner.limits()
        }
    };
    (@compile $inner:tt) => {
        fn compile(
            &mut self,
            program: &$crate::program::Program,
        ) -> Result<$crate::backend::ProgramId, $crate::backend::BackendError> {
            self.$inner.compile(program)
        }
    };
    (@run $inner:tt) => {
        fn run(
            &mut self,
            program: $crate::backend::ProgramId,
            steps: &[$crate::program::Step],
        ) -> Result<usize, $crate::backend::BackendError> {
            self.$inner.run(program, steps)
        }
    };
    (@take $inner:tt) => {
        fn take(
            &mut self,
            buffer: &str,
            member: usize,
            len: usize,
            spare: Vec<f32>,
        ) -> Result<Vec<f32>, $crate::backend::BackendError> {
            self.$inner.take(buffer, member, len, spare)
        }
    };
    (@write $inner:tt) => {
        fn write(
            &mut self,
            buffer: &str,
            member: usize,
            offset: usize,
            data: $crate::backend::Data<'_>,
        ) -> Result<(), $crate::backend::BackendError> {
            self.$inner.write(buffer, member, offset, data)
        }
    };
    (@read $inner:tt) => {
        fn read(
            &mut self,
            buffer: &str,
            member: usize,
            offset: usize,
            len: usize,
        ) -> Result<Vec<f32>, $crate::backend::BackendError> {
            self.$inner.read(buffer, member, offset, len)
        }
    };
    (@destroy $inner:tt) => {
        fn destroy(&mut self) {
            self.$inner.destroy();
        }
    };
    (@invalidate $inner:tt) => {
        fn invalidate(&mut self) {
            self.$inner.invalidate();
        }
    };
}
