#!/usr/bin/env bash
# Writes docs/api from the XML documentation of the libraries: a page for each public type, plain Markdown, by docfx. Run it when the public surface
# or its documentation has changed; a test says when a page is missing or lacks a member.
set -euo pipefail
cd "$(dirname "$0")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
[ "${1:-}" = --no-build ] || dotnet build src/Runtime -c Release -v q
dotnet tool restore > /dev/null
rm -rf docs/api
dotnet docfx metadata docs/docfx.json --logLevel error
rm -f docs/api/toc.yml

# What object has is no news, nor where string is documented; references that docfx leaves to its web pages become links.
perl -i -0pe '
    s/^#### (?:Inheritance|Implements|Inherited Members)\n.*?(?=^#)//msg;
    s/\[([^\]]*)\]\(https:\/\/learn\.microsoft\.com[^\s()]*(?:\([^\s()]*\)[^\s()]*)*\)/$1/g;
    s/<xref href="([^"]*)"[^>]*><\/xref>/reference($1)/ge;
    s/<code>(.*?)<\/code>/`$1`/sg;
    s/<a id="[^"]*"><\/a> //g;
    s/ +$//mg;
    s/\n{3,}/\n\n/g;
    sub reference {
        my $name = shift;
        $name =~ s/%(..)/chr hex $1/ge;
        $name =~ s/\(.*//;
        (my $type = $name) =~ s/\.[^.]*$//;
        my $short = sub { my @parts = split /\./, shift; join ".", @parts[-shift() .. -1] };
        return "[" . $short->($name, 1) . "]($name.md)" if -e "docs/api/$name.md";
        return "[" . $short->($name, 2) . "]($type.md)" if -e "docs/api/$type.md";
        return "`" . $short->($name, 1) . "`";
    }' docs/api/*.md
{
    echo '# API'
    echo
    echo 'What the libraries of WarpDecode Runtime show, by namespace; written by bench/api-docs.sh.'
    echo
    grep -l '^# Namespace ' docs/api/*.md | sed 's|.*/\(.*\)\.md$|- [\1](\1.md)|'
} > docs/api/README.md
echo "docs/api: $(ls docs/api | wc -l) pages, $(cat docs/api/*.md | wc -c) bytes"
