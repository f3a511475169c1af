//! Vectors of floats of the processor at hand, so that a kernel is written once and compiled for each.
//!
//! On x86-64 there are three: SSE2, which every one has, AVX2 with FMA, and AVX-512; which one is used is
//! asked when the program runs. 64-bit ARM always has NEON. Everything else is left to the compiler.

/// Some floats that are computed together.
pub trait Vector: Copy {
    /// How many.
    const LANES: usize;

    /// The most pixels whose sums stay in the registers, with [`super::product::BLOCK`] channels of each, or
    /// twice as many with AVX-512.
    const PIXELS: usize;

    /// The same number in all places.
    ///
    /// # Safety
    /// Here and below: the processor has the instructions that the type stands for.
    unsafe fn splat(value: f32) -> Self;

    /// Reads [`Vector::LANES`] numbers.
    ///
    /// # Safety
    /// There must be so many, and the processor must have the instructions.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes [`Vector::LANES`] numbers.
    ///
    /// # Safety
    /// There must be room for so many, and the processor must have the instructions.
    unsafe fn store(self, to: *mut f32);

    /// This times `weight`, plus `sum`.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn times_add(self, weight: Self, sum: Self) -> Self;

    /// The sum.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn plus(self, other: Self) -> Self;

    /// The numbers held within limits; what is no number stays none.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn hold(self, least: Self, most: Self) -> Self;
}

/// A vector by the processor's own functions. Of the two operands of x86's largest and smallest the second
/// is given if one is no number; ARM gives what is no number.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! vector {
    (
        $(#[$about:meta])* $name:ident($register:ty), $lanes:literal lanes, $pixels:literal pixels,
        $splat:ident, $load:ident, $store:ident, $add:ident, $max:ident, $min:ident,
        |$value:ident, $weight:ident, $sum:ident| $times_add:expr
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy)]
        pub struct $name($register);

        impl Vector for $name {
            const LANES: usize = $lanes;
            const PIXELS: usize = $pixels;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: The caller's promise.
                Self(unsafe { $splat(value) })
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: The caller's promise.
                Self(unsafe { $load(from) })
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: The caller's promise.
                unsafe { $store(to, self.0) }
            }

            #[inline(always)]
            unsafe fn times_add(self, weight: Self, sum: Self) -> Self {
                let ($value, $weight, $sum) = (self.0, weight.0, sum.0);
                // SAFETY: The caller's promise.
                Self(unsafe { $times_add })
            }

            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                // SAFETY: The caller's promise.
                Self(unsafe { $add(self.0, other.0) })
            }

            #[inline(always)]
            unsafe fn hold(self, least: Self, most: Self) -> Self {
                // SAFETY: The caller's promise.
                Self(unsafe { $min(most.0, $max(least.0, self.0)) })
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512, Sse2};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    vector!(
        /// Sixteen floats; needs AVX-512F.
        Avx512(__m512), 16 lanes, 12 pixels,
        _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_max_ps, _mm512_min_ps,
        |value, weight, sum| _mm512_fmadd_ps(value, weight, sum)
    );

    vector!(
        /// Eight floats; needs AVX2 and FMA.
        Avx2(__m256), 8 lanes, 6 pixels,
        _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_max_ps, _mm256_min_ps,
        |value, weight, sum| _mm256_fmadd_ps(value, weight, sum)
    );

    vector!(
        /// Four floats, on every x86-64.
        Sse2(__m128), 4 lanes, 2 pixels,
        _mm_set1_ps, _mm_loadu_ps, _mm_storeu_ps, _mm_add_ps, _mm_max_ps, _mm_min_ps,
        |value, weight, sum| _mm_add_ps(_mm_mul_ps(value, weight), sum)
    );
}

#[cfg(target_arch = "aarch64")]
pub use arm::Neon;

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use super::Vector;

    vector!(
        /// Four floats, on every 64-bit ARM.
        Neon(float32x4_t), 4 lanes, 6 pixels,
        vdupq_n_f32, vld1q_f32, vst1q_f32, vaddq_f32, vmaxq_f32, vminq_f32,
        |value, weight, sum| vfmaq_f32(sum, value, weight)
    );
}

/// Four floats by plain arithmetic, where nothing else is known.
#[derive(Clone, Copy)]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), allow(dead_code))]
pub struct Plain([f32; 4]);

impl Vector for Plain {
    const LANES: usize = 4;
    const PIXELS: usize = 2;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: The caller's promise; an array of floats is aligned as a float is.
        Self(unsafe { *from.cast::<[f32; 4]>() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: The caller's promise; an array of floats is aligned as a float is.
        unsafe { *to.cast::<[f32; 4]>() = self.0 }
    }

    #[inline(always)]
    unsafe fn times_add(self, weight: Self, sum: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] * weight.0[at] + sum.0[at]))
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] + other.0[at]))
    }

    #[inline(always)]
    unsafe fn hold(self, least: Self, most: Self) -> Self {
        Self(std::array::from_fn(|at| {
            let value = if least.0[at] > self.0[at] { least.0[at] } else { self.0[at] };
            if most.0[at] < value { most.0[at] } else { value }
        }))
    }
}

/// Which vectors to use. Made only by [`Instructions::available`], so the processor has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instructions(pub(super) InstructionKind);

/// The kinds of [`Instructions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InstructionKind {
    /// Those that every processor of this kind has.
    Baseline,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F, and AVX2 and FMA with it.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// All that this processor has, the best last.
    pub fn available() -> Vec<Instructions> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
        let mut all = vec![Instructions(InstructionKind::Baseline)];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            all.push(Instructions(InstructionKind::Avx2));
            if std::arch::is_x86_feature_detected!("avx512f") {
                all.push(Instructions(InstructionKind::Avx512));
            }
        }
        all
    }

    /// The best that this processor has.
    pub fn best() -> Instructions {
        Instructions::available().pop().unwrap_or(Instructions(InstructionKind::Baseline))
    }
}

/// Calls `$name::<V, B>`, an always inlined unsafe function, compiled for `$instructions`: V is the vector,
/// and B of them are one block of channels, or two with AVX-512.
macro_rules! compiled_for {
    ($instructions:expr, $name:ident($argument:ident: $type:ty)) => {{
        #[cfg(target_arch = "aarch64")]
        use $crate::vision::onnx::kernels::vector::Neon as Baseline;
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        use $crate::vision::onnx::kernels::vector::Plain as Baseline;
        #[cfg(target_arch = "x86_64")]
        use $crate::vision::onnx::kernels::vector::{Avx2, Avx512, Sse2 as Baseline};

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn avx512($argument: $type) {
            // SAFETY: The caller's promise, and the function is compiled for these instructions.
            unsafe { $name::<Avx512, 2>($argument) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2($argument: $type) {
            // SAFETY: The caller's promise, and the function is compiled for these instructions.
            unsafe { $name::<Avx2, 2>($argument) }
        }
        match $instructions.0 {
            $crate::vision::onnx::kernels::vector::InstructionKind::Baseline => {
                $name::<Baseline, 4>($argument)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::vision::onnx::kernels::vector::InstructionKind::Avx2 => avx2($argument),
            #[cfg(target_arch = "x86_64")]
            $crate::vision::onnx::kernels::vector::InstructionKind::Avx512 => avx512($argument),
        }
    }};
}

pub(super) use compiled_for;
