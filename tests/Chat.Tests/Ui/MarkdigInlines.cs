using System.Text;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;
using WarpDecode.Chat.Ui.Markdown;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>The inlines of a document that Markdig parsed, letter by letter with the styles that ours have.</summary>
internal static class MarkdigInlines
{
    public static string Flatten(MarkdownDocument document)
    {
        var flat = new StringBuilder();
        foreach (var block in document.Descendants<LeafBlock>())
            if (block.Inline is not null) Walk(block.Inline, Ink.None, flat);
        return flat.ToString();
    }

    private static void Walk(ContainerInline container, Ink ink, StringBuilder flat)
    {
        foreach (var inline in container)
        {
            switch (inline)
            {
                case LiteralInline literal:
                    Put(literal.Content.ToString(), ink);
                    break;
                case CodeInline code:
                    Put(code.Content, ink | Ink.Code);
                    break;
                case EmphasisInline emphasis:
                    Walk(emphasis, ink | (emphasis.DelimiterChar == '~' ? Ink.Strike : emphasis.DelimiterCount == 2 ? Ink.Bold : Ink.Italic), flat);
                    break;
                case LinkInline link:
                    Walk(link, ink | Ink.Link, flat);
                    break;
                case DelimiterInline open: // what is not closed
                    Put(open.ToLiteral(), ink);
                    Walk(open, ink, flat);
                    break;
                case ContainerInline other:
                    Walk(other, ink, flat);
                    break;
            }
        }

        void Put(string text, Ink style)
        {
            foreach (var c in text) flat.Append(c).Append((int)style);
        }
    }
}
