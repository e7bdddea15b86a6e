//! The programming language of a file, determined from its name.

/// The language of a file whose extension and name are not listed.
pub(crate) const UNKNOWN: &str = "unknown";

/// Returns the programming language of a file, by its extension or by a well-known name such as `Makefile`; `unknown`
/// for all other files.
///
/// ```
/// use claude_code_telemetry::language_from_path;
/// assert_eq!(language_from_path("src/lib.rs"), "Rust");
/// assert_eq!(language_from_path("data.xyz"), "unknown");
/// ```
pub fn language_from_path(path: &str) -> &'static str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    match name {
        "Dockerfile" | "Containerfile" => return "Dockerfile",
        "Makefile" | "makefile" | "GNUmakefile" => return "Makefile",
        "CMakeLists.txt" => return "CMake",
        _ => {}
    }
    let extension = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => extension.to_ascii_lowercase(),
        _ => return UNKNOWN,
    };
    let has_extension = |(_, extensions): &&(_, &[&str])| extensions.contains(&&*extension);
    let language = LANGUAGES.iter().find(has_extension);
    language.map_or(UNKNOWN, |(language, _)| language)
}

/// Languages that people edit, with their extensions in lower case.
static LANGUAGES: &[(&str, &[&str])] = &[
    ("TypeScript", &["ts", "tsx", "mts", "cts"]),
    ("JavaScript", &["js", "jsx", "mjs", "cjs"]),
    ("Python", &["py", "pyi", "pyw"]),
    ("Rust", &["rs"]),
    ("Go", &["go"]),
    ("Java", &["java"]),
    ("Kotlin", &["kt", "kts"]),
    ("Scala", &["scala", "sc", "sbt"]),
    ("Groovy", &["groovy", "gradle"]),
    ("Clojure", &["clj", "cljs", "cljc", "edn"]),
    ("C", &["c", "h"]),
    ("C++", &["cpp", "cc", "cxx", "hpp", "hh", "hxx"]),
    ("C#", &["cs", "csx"]),
    ("F#", &["fs", "fsx", "fsi"]),
    ("Visual Basic", &["vb"]),
    ("Objective-C", &["m", "mm"]),
    ("Swift", &["swift"]),
    ("Dart", &["dart"]),
    ("Ruby", &["rb", "rake", "gemspec", "erb"]),
    ("PHP", &["php", "phtml"]),
    ("Perl", &["pl", "pm"]),
    ("Lua", &["lua"]),
    ("R", &["r", "rmd"]),
    ("Julia", &["jl"]),
    ("Haskell", &["hs", "lhs"]),
    ("OCaml", &["ml", "mli"]),
    ("Elixir", &["ex", "exs", "heex"]),
    ("Erlang", &["erl", "hrl"]),
    ("Elm", &["elm"]),
    ("Zig", &["zig"]),
    ("Nim", &["nim"]),
    ("D", &["d"]),
    ("Ada", &["adb", "ads"]),
    ("Fortran", &["f", "f90", "f95", "f03", "for"]),
    ("Pascal", &["pas", "pp"]),
    ("COBOL", &["cob", "cbl"]),
    ("Lisp", &["lisp", "lsp", "el"]),
    ("Scheme", &["scm", "ss", "rkt"]),
    ("Prolog", &["pro"]),
    ("Solidity", &["sol"]),
    ("Verilog", &["v", "sv", "svh"]),
    ("VHDL", &["vhd", "vhdl"]),
    ("Assembly", &["s", "asm"]),
    ("CUDA", &["cu", "cuh"]),
    ("Shell", &["sh", "bash", "zsh", "fish", "ksh"]),
    ("PowerShell", &["ps1", "psm1", "psd1"]),
    ("Batch", &["bat", "cmd"]),
    ("SQL", &["sql"]),
    ("GraphQL", &["graphql", "gql"]),
    ("Protocol Buffers", &["proto"]),
    ("HTML", &["html", "htm", "xhtml"]),
    ("CSS", &["css"]),
    ("SCSS", &["scss"]),
    ("Sass", &["sass"]),
    ("Less", &["less"]),
    ("Vue", &["vue"]),
    ("Svelte", &["svelte"]),
    ("Astro", &["astro"]),
    ("Markdown", &["md", "mdx", "markdown"]),
    ("reStructuredText", &["rst"]),
    ("LaTeX", &["tex", "sty", "cls", "bib"]),
    ("JSON", &["json", "jsonc", "json5", "jsonl"]),
    ("YAML", &["yaml", "yml"]),
    ("TOML", &["toml"]),
    ("XML", &["xml", "xsd", "xsl", "xslt", "svg"]),
    ("INI", &["ini", "cfg"]),
    ("Terraform", &["tf", "tfvars"]),
    ("HCL", &["hcl"]),
    ("Nix", &["nix"]),
    ("Bazel", &["bzl", "bazel"]),
    ("CMake", &["cmake"]),
    ("Dockerfile", &["dockerfile"]),
    ("Makefile", &["mk"]),
    ("Jupyter Notebook", &["ipynb"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_or_well_known_name_determines_the_language() {
        for (path, language) in [
            ("a.ts", "TypeScript"),
            ("dir.rs/a.TSX", "TypeScript"),
            ("C:\\code\\main.py", "Python"),
            ("lib.rs", "Rust"),
            ("README.md", "Markdown"),
            ("x.test.js", "JavaScript"),
            ("Makefile", "Makefile"),
            ("sub/Dockerfile", "Dockerfile"),
            ("CMakeLists.txt", "CMake"),
            ("notes.txt", "unknown"),
            (".gitignore", "unknown"),
            (".rs", "unknown"),
            ("", "unknown"),
            ("dir.rs/", "unknown"),
            ("a.", "unknown"),
            ("größe.ÄÖ", "unknown"),
        ] {
            assert_eq!(language_from_path(path), language, "{path}");
        }
    }

    #[test]
    fn every_extension_belongs_to_one_language() {
        let mut extensions: Vec<_> = LANGUAGES
            .iter()
            .flat_map(|(_, extensions)| *extensions)
            .collect();
        let count = extensions.len();
        extensions.sort();
        extensions.dedup();
        assert_eq!(extensions.len(), count);
    }
}
