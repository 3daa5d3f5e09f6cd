using System.Globalization;

namespace WarpDecode.Runtime;

/// <summary>Sizes of memory in words.</summary>
internal static class ByteSize
{
    /// <summary>In gigabytes from a tenth of one on, else in megabytes: <c>1.25 GB</c>, <c>3.1 MB</c>.</summary>
    public static string InWords(long bytes) => bytes >= 100_000_000
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F2} GB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB");
}
