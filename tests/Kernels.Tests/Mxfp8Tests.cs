using System.Runtime.Intrinsics;
using WarpDecode.Kernels.Cpu;
using Xunit;

namespace WarpDecode.Kernels.Tests;

/// <summary>MXFP8 rounding against the definition in the OCP Microscaling specification v1.0, spelled out in doubles.</summary>
public sealed unsafe class Mxfp8Tests
{
    /// <summary>The finite, not negative E4M3 numbers by their codes 0 … 126: (−1)^s · 2^(e−7) · (1 + m/8), or 2^−6 · m/8 where e is 0.</summary>
    private static readonly double[] E4M3 = [.. Enumerable.Range(0, 127).Select(code =>
        code < 8 ? Math.ScaleB(code / 8.0, -6) : Math.ScaleB(1 + (code % 8 / 8.0), (code / 8) - 7))];

    /// <summary>Values as they come back from MXFP8, by search through all elements.</summary>
    public static double[] Definition(ReadOnlySpan<float> x)
    {
        var y = new double[x.Length];
        for (var from = 0; from < x.Length; from += 32)
        {
            var block = x[from..Math.Min(x.Length, from + 32)];
            var largest = 0.0;
            foreach (var v in block) largest = Math.Max(largest, Math.Abs((double)v));
            if (largest == 0) continue;
            // The largest power of two not above the largest value, over the largest power of two that an element can be: 2⁸.
            var exponent = -200;
            while (Math.ScaleB(1, exponent + 1) <= largest) exponent++;
            exponent = Math.Max(exponent - 8, -127);
            for (var i = 0; i < block.Length; i++) y[from + i] = Math.ScaleB(Element(Math.ScaleB(block[i], -exponent)), exponent);
        }
        return y;
    }

    [Fact]
    public void TheTableIsThatOfTheSpecification()
    {
        Assert.Equal(448, E4M3[^1]);
        Assert.Equal(Math.ScaleB(1, -6), E4M3[8]);
        Assert.Equal(Math.ScaleB(1, -9), E4M3[1]);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(448, 448)]
    [InlineData(449, 448)]
    [InlineData(511.9f, 448)]          // saturates
    [InlineData(-600, -448)]
    [InlineData(1.0625f, 1)]           // a tie between 1 and 1.125: mantissas 0 and 1
    [InlineData(1.1875f, 1.25f)]       // between 1.125 and 1.25: 1 and 2
    [InlineData(1.0626f, 1.125f)]
    [InlineData(15.5f, 16)]            // between 15 (mantissa 7) and 16 of the next exponent (mantissa 0)
    [InlineData(0.001953125f, 0.001953125f)] // 2⁻⁹, the least
    [InlineData(0.0009765625f, 0)]     // 2⁻¹⁰, a tie between 0 and 2⁻⁹
    [InlineData(0.0009765626f, 0.001953125f)]
    [InlineData(0.0029296875f, 0.00390625f)] // 1.5 · 2⁻⁹, between codes 1 and 2
    [InlineData(0.0146484375f, 0.015625f)]   // 7.5 · 2⁻⁹, between the last subnormal (7) and the least normal (8)
    [InlineData(-0.0048828125f, -0.00390625f)] // −2.5 · 2⁻⁹
    [InlineData(1e-30f, 0)]
    public void ElementsAreTheNearest(float x, float expected) => Assert.Equal(expected, Mxfp8.ToE4M3(Vector256.Create(x))[3]);

    [Fact]
    public void EveryElementIsItselfAndWhatLiesBetweenGoesToTheNearer()
    {
        for (var code = 0; code < E4M3.Length; code++)
        {
            foreach (var sign in new[] { 1, -1 })
            {
                Same(sign * E4M3[code]);
                if (code == 0) continue;
                var middle = (E4M3[code] + E4M3[code - 1]) / 2;
                Same(sign * middle);
                Same(sign * MathF.BitIncrement((float)middle));
                Same(sign * MathF.BitDecrement((float)middle));
            }
        }

        static void Same(double x)
        {
            Assert.Equal((double)(float)x, x);
            Assert.Equal(Element(x), Mxfp8.ToE4M3(Vector256.Create((float)x))[0]);
        }
    }

    [Theory]
    [InlineData(1f, -8)]
    [InlineData(1.99f, -8)]
    [InlineData(2f, -7)]
    [InlineData(448f, 0)]
    [InlineData(0.75f, -9)]
    [InlineData(3.4e38f, 119)]
    [InlineData(1e-44f, -127)]
    [InlineData(0f, -127)]
    public void ScalesArePowersOfTwoThatPutTheLargestBelow512(float largest, int exponent) => Assert.Equal(exponent, Mxfp8.ScaleExponent(largest));

    [Theory]
    [InlineData(1, 1f)]
    [InlineData(31, 1f)]
    [InlineData(32, 1e-3f)]
    [InlineData(33, 1e3f)]
    [InlineData(256, 1f)]
    [InlineData(256, 1e-36f)]
    [InlineData(256, 1e-40f)]
    [InlineData(256, 1e37f)]
    public void BlocksAreThoseOfTheDefinition(int count, float size)
    {
        var random = new Random(count);
        for (var round = 0; round < 50; round++)
        {
            // Of many magnitudes, so that subnormal elements occur.
            var x = Enumerable.Range(0, count).Select(_ => size * (random.NextSingle() - 0.5f) * MathF.Pow(2, -random.Next(20))).ToArray();
            var y = new float[count];
            fixed (float* from = x, to = y) Mxfp8.Round(from, to, count);
            Assert.Equal(Definition(x), y.Select(v => (double)v));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void WhatIsNotFiniteMakesItsBlockNaN(float bad)
    {
        var x = new float[64];
        x[5] = bad;
        fixed (float* p = x) Mxfp8.Round(p, p, 64);
        Assert.All(x[..32], v => Assert.True(float.IsNaN(v)));
        Assert.All(x[32..], v => Assert.Equal(0, v));
    }

    private static double Element(double x)
    {
        var magnitude = Math.Abs(x);
        var best = 0;
        for (var code = 1; code < E4M3.Length; code++)
        {
            var (now, before) = (Math.Abs(E4M3[code] - magnitude), Math.Abs(E4M3[best] - magnitude));
            if (now < before || (now == before && code % 2 == 0)) best = code;
        }
        return x < 0 ? -E4M3[best] : E4M3[best];
    }
}
