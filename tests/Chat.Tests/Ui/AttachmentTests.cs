using WarpDecode.Chat.Ui;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>Which files can be attached, and what is said of the others.</summary>
public sealed class AttachmentTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("wd-attach-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void ATextFileComesInABlock()
    {
        var chip = Attachment.File(Write("notes.md", "# Title\r\n```\ncode\n```\n"u8.ToArray()));
        Assert.Equal("[notes.md, 21 bytes]".Length, chip.Label.Length);
        Assert.Equal("notes.md:\n````md\n# Title\n```\ncode\n```\n````\n", chip.Text);
        Assert.True(chip.IsFile);
        Assert.Contains("grüße", Attachment.File(Write("x", [0xEF, 0xBB, 0xBF, .. "grüße"u8])).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void OthersAreRefusedInWords()
    {
        Refused("there is no file", Path.Combine(folder, "absent"));
        Refused("is a folder", folder);
        Refused("is empty", Write("empty", []));
        Refused("byte 0 at offset 2", Write("binary", [1, 2, 0, 3]));
        Refused("no UTF-8 at offset 1", Write("latin1", [(byte)'a', 0xFC, (byte)'b']));
        Refused("a file may have 4.2 MB", Write("big", new byte[Attachment.MaxFileBytes + 1]));
        Refused("cannot be read", "a\0b");
        if (File.Exists("/dev/zero")) Refused("no plain file", "/dev/zero");
    }

    [Fact]
    public void LongTextsAreOnePiece()
    {
        Assert.False(Attachment.IsLong("short"));
        Assert.True(Attachment.IsLong(new string('\n', 10)));
        Assert.True(Attachment.IsLong(new string('x', 2049)));
        Assert.Equal("[pasted 214 lines]", Attachment.Pasted(string.Concat(Enumerable.Repeat("x\n", 214))).Label);
        Assert.Equal("[pasted 3000 characters]", Attachment.Pasted(new string('x', 3000)).Label);
    }

    private static void Refused(string expected, string path) =>
        Assert.Contains(expected, Assert.Throws<CommandException>(() => Attachment.File(path)).Message, StringComparison.Ordinal);

    private string Write(string name, byte[] bytes)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
