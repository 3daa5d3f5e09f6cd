namespace WarpDecode.Kernels;

/// <summary>
/// How a backend computes <see cref="IBackend.MoeGateUp"/> and <see cref="IBackend.MoeDown"/>; chosen when it is created. All other
/// operations, the projections of attention among them, are the same in every form. Only <see cref="Warp"/> is meant for use: the
/// others are there to be compared with.
/// </summary>
internal enum ExpertForm
{
    /// <summary>Output-centric, activations FP32.</summary>
    Warp,

    /// <summary>Output-centric, but activations rounded to BF16 before each product.</summary>
    WarpBF16,

    /// <summary>
    /// Expert-centric: tokens grouped by expert, padded, gathered, grouped products, combined. Activations in 8-bit blocks of 32 for quantized
    /// weights, in the weights' own type for floating-point ones (FP8 and MXFP8: in MXFP8).
    /// </summary>
    Conventional,

    /// <summary>Expert-centric, activations in MXFP8 whatever the weights.</summary>
    ConventionalMxfp8,
}
