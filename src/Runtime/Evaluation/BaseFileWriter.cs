using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// Writes a <see cref="BaseFile"/> position by position. Until it is whole it has a temporary name beside its own; what is
/// cancelled or fails leaves nothing behind, and an older file of the name as it was.
/// </summary>
internal sealed class BaseFileWriter : IDisposable
{
    private readonly string path;
    private readonly string temporary;
    private readonly FileStream stream;
    private readonly CancellationToken cancellation;
    private readonly CancellationTokenRegistration removal;
    private readonly long length;

    /// <param name="path">Where the file will be.</param>
    /// <param name="engine">The model whose logits they are.</param>
    /// <param name="plan">The windows.</param>
    /// <param name="tokens">The text, as far as the windows reach it or farther.</param>
    /// <param name="replaced">The token that takes the place of each window's first one.</param>
    /// <param name="cancellation">Removes the unfinished file at once.</param>
    /// <exception cref="IOException">It cannot be written there, or there is no room for all of it.</exception>
    public BaseFileWriter(string path, Engine engine, WindowPlan plan, ReadOnlySpan<int> tokens, int? replaced, CancellationToken cancellation)
    {
        this.path = path;
        this.cancellation = cancellation;
        temporary = $"{path}.{Environment.ProcessId}.tmp";
        var text = MemoryMarshal.AsBytes(tokens[..plan.Tokens]);
        length = BaseFile.HeaderBytes + text.Length + (plan.Scored * engine.Vocabulary * sizeof(float));
        stream = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            Share = FileShare.Delete,
            BufferSize = 0,
            PreallocationSize = length, // a full disk shows now and not after an hour
        });
        try
        {
            Span<byte> header = stackalloc byte[BaseFile.HeaderBytes];
            header.Clear();
            BaseFile.Magic.CopyTo(header);
            BinaryPrimitives.WriteInt32LittleEndian(header[8..], BaseFile.Version);
            BinaryPrimitives.WriteInt32LittleEndian(header[12..], engine.Vocabulary);
            BinaryPrimitives.WriteInt32LittleEndian(header[16..], plan.Context);
            BinaryPrimitives.WriteInt32LittleEndian(header[20..], plan.Stride ?? 0);
            BinaryPrimitives.WriteInt32LittleEndian(header[24..], plan.Tokens);
            BinaryPrimitives.WriteInt32LittleEndian(header[28..], replaced ?? -1);
            SHA256.HashData(text).CopyTo(header[32..]);
            BaseFile.HashOf(engine.Tokenizer).CopyTo(header[64..]);
            stream.Write(header);
            stream.Write(text);
        }
        catch
        {
            stream.Dispose();
            File.Delete(temporary);
            throw;
        }
        // Not only when this is disposed: an interrupted program ends before a long step of the model does.
        removal = cancellation.Register(() => File.Delete(temporary));
    }

    /// <summary>Appends the logits of positions [positions, vocabulary].</summary>
    public void Write(ReadOnlySpan<float> logits) => stream.Write(MemoryMarshal.AsBytes(logits));

    /// <summary>Gives the file its name.</summary>
    public void Complete()
    {
        if (stream.Position != length) throw new InvalidOperationException($"{stream.Position} bytes of {length} were written");
        stream.Flush(flushToDisk: true);
        stream.Dispose();
        removal.Dispose(); // waits for a removal that has begun
        cancellation.ThrowIfCancellationRequested();
        File.Move(temporary, path, overwrite: true);
    }

    public void Dispose()
    {
        removal.Dispose();
        stream.Dispose();
        File.Delete(temporary); // nothing, if it has its name by now
    }
}
