using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>What must hold of any file that opens, however odd.</summary>
internal static unsafe class Walk
{
    private static byte sink;

    /// <summary>Every tensor lies inside the file and can be touched; every metadata value can be shown.</summary>
    public static void Everything(ModelFile model)
    {
        foreach (var tensor in model.Tensors)
        {
            Assert.InRange(tensor.Offset, 0, model.Length);
            Assert.InRange(tensor.Bytes, 0, model.Length - tensor.Offset);
            Assert.Equal(tensor.Type.RowBytes(tensor.Count), tensor.Bytes);
            Assert.Same(tensor, model.Find(tensor.Name));
            Assert.NotEmpty(tensor.ToString());
            if (tensor.Bytes > 0) sink ^= (byte)(tensor.Data[0] ^ tensor.Data[tensor.Bytes - 1]);
        }
        foreach (var key in model.Metadata.Keys)
        {
            Assert.True(model.Metadata.Contains(key));
            AssertPrintable(model.Metadata.Show(key, 40), 41);
            var (type, element, _) = model.Metadata.Describe(key);
            if (type == MetadataType.String) _ = model.Metadata.GetString(key);
            if (type == MetadataType.Array && element == MetadataType.String) _ = model.Metadata.GetStrings(key);
        }
    }

    /// <summary>No text of a file may drive a terminal or fill it.</summary>
    public static void AssertPrintable(string text, int longest)
    {
        Assert.InRange(text.Length, 0, longest);
        Assert.DoesNotContain(text, char.IsControl);
        Assert.DoesNotContain(text, c => char.GetUnicodeCategory(c) == System.Globalization.UnicodeCategory.Format);
    }

    /// <summary>Opens and walks the file: either that succeeds (null), or the reader refuses it. Anything else fails the test.</summary>
    public static ModelFileException? OpenOrRefuse(string path)
    {
        try
        {
            using var model = ModelFile.Open(path);
            Everything(model);
            return null;
        }
        catch (ModelFileException e)
        {
            return e;
        }
    }
}
