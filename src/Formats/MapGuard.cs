using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace WarpDecode.Formats;

/// <summary>
/// Keeps a file that shrinks from ending the process. Whoever reads a mapped page that lies behind the file's new end gets the
/// signal SIGBUS, and so does who reads a page that the disk fails to give. No managed code can run then, so the handler is
/// some bytes of machine code: if the address lies in a map that was added here, it maps zeros over the rest of that map, from
/// the page on, notes the address, and lets the reader go on; every other SIGBUS goes to the handler that was there before,
/// the runtime's own. Who reads maps asks <see cref="Fault"/> afterwards and throws away what was computed from zeros.
/// <para>
/// The handler calls nothing and takes no lock: one system call (mmap), registers, and a table at a fixed address that is
/// written before a map is read and after its last read. It keeps the flags and the mask of the runtime's handler, so that
/// that one finds what it would find without us.
/// </para>
/// On Linux, x64 and arm64. Windows refuses to shorten a file that is mapped. Elsewhere nothing is guarded: there the lengths are
/// compared before and after each step, and a read in between still ends the process.
/// </summary>
internal static unsafe partial class MapGuard
{
    private const int SignalBus = 7; // SIGBUS, on every architecture that is built for here
    private const int WithInfo = 4; // SA_SIGINFO
    private const int ActionBytes = 512; // of libc's struct sigaction, generously: 152 in glibc and musl
    private const int FlagsAt = 8 + 128; // within it: after the handler and the mask
    private const int ProtectRead = 1, ProtectWrite = 2, ProtectExecute = 4, MapPrivate = 2, MapAnonymous = 0x20;
    private const int Capacity = 4096; // maps at once

    private static readonly Lock Changes = new();
    private static readonly Range* Table = Install();

    /// <summary>Addresses that are guarded. The handler's code knows this layout.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Range
    {
        public nuint Start;
        public nuint End; // page-aligned; 0: the entry is free
        public nuint Fault; // where a read failed, or 0
        public nuint Unused; // 32 bytes in all
    }

    /// <summary>Whether reads are guarded on this system.</summary>
    public static bool Works => Table != null;

    /// <summary>Guards a map; the answer is for <see cref="Fault"/> and <see cref="Remove"/>, -1 where nothing is guarded.</summary>
    public static int Add(byte* start, long bytes)
    {
        if (Table == null) return -1;
        lock (Changes)
        {
            for (var i = 0; i < Capacity; i++)
            {
                var entry = Table + i;
                if (entry->End != 0) continue;
                var page = (nuint)Environment.SystemPageSize;
                entry->Fault = 0;
                entry->Start = (nuint)start;
                Volatile.Write(ref entry->End, ((nuint)start + (nuint)bytes + page - 1) / page * page); // last: now the entry holds
                return i;
            }
        }
        return -1;
    }

    /// <summary>How far from the map's start a read first failed, or -1 while none did.</summary>
    public static long Fault(int entry)
    {
        if (entry < 0) return -1;
        var fault = Volatile.Read(ref Table[entry].Fault);
        return fault == 0 ? -1 : (long)(fault - Table[entry].Start);
    }

    /// <summary>Ends the guard, before the map is given back.</summary>
    public static void Remove(int entry)
    {
        if (entry < 0) return;
        lock (Changes) Volatile.Write(ref Table[entry].End, 0);
    }

    private static Range* Install()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture is not (Architecture.X64 or Architecture.Arm64)) return null;
        // Only the handler is exchanged: mask and flags stay as the runtime set them.
        var action = stackalloc byte[ActionBytes];
        new Span<byte>(action, ActionBytes).Clear();
        if (Sigaction(SignalBus, null, action) != 0) return null;
        var previous = *(nint*)action;
        // Without a handler before ours (0: end the process, 1: ignore) there is nothing to hand other faults to.
        if (previous is 0 or 1 || (*(int*)(action + FlagsAt) & WithInfo) == 0) return null;

        var table = (Range*)NativeMemory.AllocZeroed(Capacity, (nuint)sizeof(Range)); // for the rest of the process
        var code = MakeExecutable(Handler(RuntimeInformation.ProcessArchitecture, table, Capacity, previous, Environment.SystemPageSize));
        if (code == 0) return null;
        *(nint*)action = code;
        return Sigaction(SignalBus, action, null) == 0 ? table : null;
    }

    /// <summary>Memory that holds <paramref name="code"/> and can be executed, or 0 where the system refuses that.</summary>
    internal static nint MakeExecutable(byte[] code)
    {
        // Written while it is not executable. The kernel synchronizes the instruction cache when a page becomes executable.
        var at = Mmap(0, (nuint)code.Length, ProtectRead | ProtectWrite, MapPrivate | MapAnonymous, -1, 0);
        if (at == -1) return 0;
        code.CopyTo(new Span<byte>((void*)at, code.Length));
        return Mprotect(at, (nuint)code.Length, ProtectRead | ProtectExecute) == 0 ? at : 0;
    }

    /// <summary>The handler: <c>void (int signal, siginfo_t* info, ucontext_t* context)</c>.</summary>
    internal static byte[] Handler(Architecture architecture, Range* table, int count, nint previous, int pageBytes)
    {
        var code = architecture == Architecture.X64 ? X64.ToArray() : Arm64.ToArray();
        if (architecture == Architecture.X64)
        {
            if (pageBytes != 4096) throw new NotSupportedException($"x64 with pages of {pageBytes} bytes");
            BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(0x0C), (nint)table);
            BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(0x15), count);
            BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(0x2E), previous);
        }
        else
        {
            BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(0x90), (nint)table);
            BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(0x98), count);
            BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(0xA0), previous);
            BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(0xA8), -(long)pageBytes);
        }
        return code;
    }

    // rdi signal, rsi info, rdx context. Places in siginfo_t: code at 8, address at 16. Numbers: BUS_ADRERR 2, mmap 9,
    // PROT_READ 1, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE 0x4032.
    private static ReadOnlySpan<byte> X64 =>
    [
        0x83, 0x7E, 0x08, 0x02, //                                  cmp dword [rsi+8], 2
        0x75, 0x26, //                                              jne chain
        0x48, 0x8B, 0x46, 0x10, //                                  mov rax, [rsi+16]
        0x49, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, //                      mov r8, table
        0xB9, 0, 0, 0, 0, //                                        mov ecx, count
        0x49, 0x3B, 0x00, //                                  loop: cmp rax, [r8]           Start
        0x72, 0x06, //                                              jb next
        0x49, 0x3B, 0x40, 0x08, //                                  cmp rax, [r8+8]         End
        0x72, 0x14, //                                              jb found
        0x49, 0x83, 0xC0, 0x20, //                            next: add r8, 32
        0xFF, 0xC9, //                                              dec ecx
        0x75, 0xED, //                                              jnz loop
        0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, //               chain: mov rax, previous
        0xFF, 0xE0, //                                              jmp rax
        0x57, 0x56, 0x52, 0x41, 0x50, 0x50, //               found: push rdi, rsi, rdx, r8, rax
        0x48, 0x89, 0xC7, //                                        mov rdi, rax
        0x48, 0x81, 0xE7, 0x00, 0xF0, 0xFF, 0xFF, //                and rdi, -4096
        0x49, 0x8B, 0x70, 0x08, //                                  mov rsi, [r8+8]
        0x48, 0x29, 0xFE, //                                        sub rsi, rdi
        0xBA, 0x01, 0x00, 0x00, 0x00, //                            mov edx, 1
        0x41, 0xBA, 0x32, 0x40, 0x00, 0x00, //                      mov r10d, 0x4032
        0x49, 0xC7, 0xC0, 0xFF, 0xFF, 0xFF, 0xFF, //                mov r8, -1
        0x45, 0x31, 0xC9, //                                        xor r9d, r9d
        0xB8, 0x09, 0x00, 0x00, 0x00, //                            mov eax, 9
        0x0F, 0x05, //                                              syscall
        0x48, 0x89, 0xC1, //                                        mov rcx, rax
        0x58, 0x41, 0x58, 0x5A, 0x5E, 0x5F, //                      pop rax, r8, rdx, rsi, rdi
        0x48, 0x81, 0xF9, 0x01, 0xF0, 0xFF, 0xFF, //                cmp rcx, -4095
        0x73, 0xAF, //                                              jae chain               an error: not ours to mend
        0x49, 0x89, 0x40, 0x10, //                                  mov [r8+16], rax        Fault
        0xC3, //                                                    ret
    ];

    // The same: x0 signal, x1 info, x2 context; mmap is 222, and a system call keeps all registers but x0.
    private static ReadOnlySpan<byte> Arm64 =>
    [
        0x29, 0x08, 0x40, 0xB9, //        ldr w9, [x1, #8]
        0x3F, 0x09, 0x00, 0x71, //        cmp w9, #2
        0xA1, 0x01, 0x00, 0x54, //        b.ne chain
        0x29, 0x08, 0x40, 0xF9, //        ldr x9, [x1, #16]
        0x0A, 0x04, 0x00, 0x58, //        ldr x10, table
        0x2B, 0x04, 0x00, 0x58, //        ldr x11, count
        0x4C, 0x01, 0x40, 0xF9, // loop:  ldr x12, [x10]        Start
        0x3F, 0x01, 0x0C, 0xEB, //        cmp x9, x12
        0x83, 0x00, 0x00, 0x54, //        b.lo next
        0x4D, 0x05, 0x40, 0xF9, //        ldr x13, [x10, #8]    End
        0x3F, 0x01, 0x0D, 0xEB, //        cmp x9, x13
        0xC3, 0x00, 0x00, 0x54, //        b.lo found
        0x4A, 0x81, 0x00, 0x91, // next:  add x10, x10, #32
        0x6B, 0x05, 0x00, 0xF1, //        subs x11, x11, #1
        0x01, 0xFF, 0xFF, 0x54, //        b.ne loop
        0x30, 0x03, 0x00, 0x58, // chain: ldr x16, previous
        0x00, 0x02, 0x1F, 0xD6, //        br x16
        0xEE, 0x03, 0x00, 0xAA, // found: mov x14, x0
        0xEF, 0x03, 0x01, 0xAA, //        mov x15, x1
        0xF1, 0x03, 0x02, 0xAA, //        mov x17, x2
        0xCC, 0x02, 0x00, 0x58, //        ldr x12, mask
        0x20, 0x01, 0x0C, 0x8A, //        and x0, x9, x12
        0xA1, 0x01, 0x00, 0xCB, //        sub x1, x13, x0
        0x22, 0x00, 0x80, 0xD2, //        mov x2, #1
        0x43, 0x06, 0x88, 0xD2, //        mov x3, #0x4032
        0x04, 0x00, 0x80, 0x92, //        mov x4, #-1
        0x05, 0x00, 0x80, 0xD2, //        mov x5, #0
        0xC8, 0x1B, 0x80, 0xD2, //        mov x8, #222
        0x01, 0x00, 0x00, 0xD4, //        svc #0
        0x1F, 0xFC, 0x3F, 0xB1, //        cmn x0, #4095
        0xE0, 0x03, 0x0E, 0xAA, //        mov x0, x14
        0xE1, 0x03, 0x0F, 0xAA, //        mov x1, x15
        0xE2, 0x03, 0x11, 0xAA, //        mov x2, x17
        0xC2, 0xFD, 0xFF, 0x54, //        b.hs chain            an error: not ours to mend
        0x49, 0x09, 0x00, 0xF9, //        str x9, [x10, #16]    Fault
        0xC0, 0x03, 0x5F, 0xD6, //        ret
        0, 0, 0, 0, 0, 0, 0, 0, // table
        0, 0, 0, 0, 0, 0, 0, 0, // count
        0, 0, 0, 0, 0, 0, 0, 0, // previous
        0, 0, 0, 0, 0, 0, 0, 0, // mask of a page's address
    ];

    [LibraryImport("libc", EntryPoint = "sigaction")]
    private static partial int Sigaction(int signal, byte* action, byte* old);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Mmap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Mprotect(nint address, nuint length, int protection);
}
