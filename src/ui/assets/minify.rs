//! Style sheet and scripts without what only their readers need: indentation, lines of comment and, in the sheet,
//! spaces between the parts of a rule. Done by the compiler, so that what is written stays readable and what is sent is
//! small. Pure; it knows no more of the languages than the rules that the tests of [`assets`](crate::ui::assets) check.

/// What a file is, and so what can be left away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Press {
    /// Everything stays.
    Nothing,
    /// A script: what a line begins with goes, comments, spaces beside signs and ends of lines that need none, a semicolon
    /// before a brace, and `const` after a statement that begins with it. No statement is empty, a constant's ends with a
    /// semicolon, and no line begins within a text.
    Script,
    /// A style sheet: comments go, and spaces where they part nothing. No text has a brace or two spaces in it.
    Sheet,
}

/// So many bytes are left of `text`.
pub(super) const fn length(text: &[u8], how: Press) -> usize {
    minify::<0>(text, how).1
}

/// What is left of `text`, of which `N` is the [`length`].
pub(super) const fn pressed<const N: usize>(text: &[u8], how: Press) -> [u8; N] {
    minify::<N>(text, how).0
}

const fn minify<const N: usize>(text: &[u8], how: Press) -> ([u8; N], usize) {
    let (mut out, mut length, mut last) = ([0; N], 0, b'\n');
    // Of a script: the sign that ends the text in which `at` is; 0 outside of one.
    let mut quote = 0;
    // Of a script: how many brackets are open, and whether the statement under way in each of them makes constants.
    let (mut depth, mut is_const) = (0, [after_const(text, 0) > 0; 64]);
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let next = if at + 1 < text.len() { text[at + 1] } else { b'\n' };
        match how {
            Press::Script if last == b'\n' && matches!(byte, b' ' | b'\n') => {
                at += 1;
                continue;
            }
            Press::Script if last == b'\n' && byte == b'/' && next == b'/' => {
                while at < text.len() && text[at] != b'\n' {
                    at += 1;
                }
                continue;
            }
            Press::Script | Press::Sheet if quote == 0 && byte == b'/' && next == b'*' => {
                at += 2;
                while at + 1 < text.len() && !(text[at] == b'*' && text[at + 1] == b'/') {
                    at += 1;
                }
                at += 2;
                continue;
            }
            Press::Script if quote == 0 && is_last_comment(text, at, last) => {
                while at < text.len() && text[at] != b'\n' {
                    at += 1;
                }
                continue;
            }
            Press::Script if quote == 0 && byte == b' ' && is_needless_between(last, next) => {
                at += 1;
                continue;
            }
            Press::Script if quote == 0 && byte == b';' && is_before_closing_brace(text, at + 1) => {
                at += 1;
                continue;
            }
            // `!0` and `!1` say the same.
            Press::Script if quote == 0 && matches!(byte, b't' | b'f') && bool_length(text, at) > 0 => {
                let sign = [b'!', if byte == b't' { b'0' } else { b'1' }];
                if length + 1 < N {
                    (out[length], out[length + 1]) = (sign[0], sign[1]);
                }
                length += 2;
                last = sign[1];
                at += bool_length(text, at);
                continue;
            }
            // It begins at the brace that ends a block, too: nothing goes on with this word.
            Press::Script if quote == 0 && matches!(byte, b';' | b'}') && after_const(text, at + 1) > 0 => {
                depth -= (byte == b'}') as usize;
                if byte == b';' && is_const[depth] {
                    if length < N {
                        out[length] = b',';
                    }
                    length += 1;
                    last = b',';
                    at = after_const(text, at + 1);
                    continue;
                }
                is_const[depth] = true;
            }
            Press::Script if quote == 0 && byte == b';' => is_const[depth] = false,
            Press::Script if quote == 0 && matches!(byte, b'{' | b'(' | b'[') => {
                depth += 1;
                is_const[depth] = after_const(text, at + 1) > 0;
            }
            Press::Script if quote == 0 && matches!(byte, b'}' | b')' | b']') => depth -= 1,
            // What stands between backticks stays as it is, and so does a pattern.
            Press::Script if quote == 0 && (byte == b'`' || (byte == b'/' && begins_pattern(last, next))) => {
                let end = if byte == b'`' { template_end(text, at) } else { pattern_end(text, at) };
                while at < end {
                    if length < N {
                        out[length] = text[at];
                    }
                    length += 1;
                    at += 1;
                }
                last = byte;
                continue;
            }
            Press::Script if byte == b'\n' && (goes_on_after(last) || goes_on_with(text, at)) => {
                (quote, last) = (0, b'\n');
                at += 1;
                continue;
            }
            Press::Script if byte == b'\n' || byte == quote => quote = 0,
            Press::Script if quote != 0 && byte == b'\\' => {
                // What follows ends no text.
                if length < N {
                    out[length] = byte;
                }
                length += 1;
                at += 1;
                if at == text.len() {
                    break;
                }
                if length < N {
                    out[length] = text[at];
                }
                length += 1;
                last = text[at];
                at += 1;
                continue;
            }
            Press::Script if quote == 0 && matches!(byte, b'\'' | b'"') => quote = byte,
            Press::Sheet
                if matches!(byte, b' ' | b'\n')
                    && (matches!(last, b' ' | b'\n' | b'{' | b'}' | b';' | b':' | b',' | b'>')
                        || matches!(next, b' ' | b'\n' | b'{' | b'}' | b'>')) =>
            {
                at += 1;
                continue;
            }
            Press::Sheet if byte == b';' && is_before_closing_brace(text, at + 1) => {
                at += 1;
                continue;
            }
            _ => {}
        }
        last = if matches!(how, Press::Sheet) && byte == b'\n' { b' ' } else { byte };
        if length < N {
            out[length] = last;
        }
        length += 1;
        at += 1;
    }
    (out, length)
}

/// Whether a comment begins here that is the rest of its line.
const fn is_last_comment(text: &[u8], at: usize, last: u8) -> bool {
    at + 3 < text.len()
        && matches!(last, b';' | b',' | b'{' | b'}' | b')')
        && matches!((text[at], text[at + 1], text[at + 2], text[at + 3]), (b' ', b'/', b'/', b' '))
}

/// Whether a space between these two means nothing in a script. Two `+`, or two `-`, are another sign.
const fn is_needless_between(last: u8, next: u8) -> bool {
    let (left, right) = (matches!(last, b'+' | b'-'), matches!(next, b'+' | b'-'));
    !(left && right) && (left || right || needs_no_space(last) || needs_no_space(next))
}

/// Where the word `const` ends, with the space after it, if a statement begins with it behind spaces and comments at `at`;
/// else 0.
const fn after_const(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && matches!(text[at], b' ' | b'\n' | b'/') {
        if text[at] == b'/' {
            if at + 1 == text.len() || text[at + 1] != b'/' {
                return 0;
            }
            while at < text.len() && text[at] != b'\n' {
                at += 1;
            }
        } else {
            at += 1;
        }
    }
    const WORD: &[u8] = b"const ";
    let mut n = 0;
    while n < WORD.len() {
        if at + n >= text.len() || text[at + n] != WORD[n] {
            return 0;
        }
        n += 1;
    }
    at + n
}

/// How long the word `true` or `false` is that stands at `at` as a value; 0 if there is none.
const fn bool_length(text: &[u8], at: usize) -> usize {
    const fn is_of_word(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.')
    }
    let word: &[u8] = if text[at] == b't' { b"true" } else { b"false" };
    let mut n = 0;
    while n < word.len() {
        if at + n >= text.len() || text[at + n] != word[n] {
            return 0;
        }
        n += 1;
    }
    let is_apart = at > 0 && !is_of_word(text[at - 1]) && at + n < text.len() && !is_of_word(text[at + n]);
    if is_apart { n } else { 0 }
}

/// Whether a line that ends with this sign goes on in the next one.
const fn goes_on_after(last: u8) -> bool {
    matches!(last, b';' | b'{' | b',' | b'(' | b'[' | b'=' | b'>' | b'?' | b':' | b'&' | b'|')
}

/// Whether the next line goes on with the one that ends at `at`.
const fn goes_on_with(text: &[u8], mut at: usize) -> bool {
    while at < text.len() && matches!(text[at], b' ' | b'\n') {
        at += 1;
    }
    at < text.len() && matches!(text[at], b'?' | b':' | b'&' | b'|' | b'.' | b')' | b']' | b'}')
}

/// Whether a slash after `last` and before `next` begins a pattern, and divides nothing.
const fn begins_pattern(last: u8, next: u8) -> bool {
    next != b' ' && matches!(last, b'(' | b',' | b'=' | b':' | b'[' | b'!' | b'&' | b'|' | b'?' | b'{' | b'>')
}

/// Where the pattern ends that begins with the slash at `at`.
const fn pattern_end(text: &[u8], mut at: usize) -> usize {
    at += 1;
    let mut is_set = false;
    while at < text.len() && (is_set || text[at] != b'/') {
        match text[at] {
            b'\\' => at += 1,
            b'[' => is_set = true,
            b']' => is_set = false,
            _ => {}
        }
        at += 1;
    }
    at + 1
}

/// Where the text ends that begins with the backtick at `at`; others may be in it.
const fn template_end(text: &[u8], mut at: usize) -> usize {
    at += 1;
    // Braces that are open in a `${…}`; 0 outside of one.
    let mut open = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            b'`' if open == 0 => return at + 1,
            b'`' => at = template_end(text, at) - 1,
            b'{' if open > 0 || text[at - 1] == b'$' => open += 1,
            b'}' if open > 0 => open -= 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Whether a space beside this sign means nothing in a script.
const fn needs_no_space(byte: u8) -> bool {
    const NEED_NONE: &[u8] = b";,{}()[]=<>?:&|*%!'\"`";
    let mut at = 0;
    while at < NEED_NONE.len() {
        if NEED_NONE[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether only spaces are between `at` and the brace that ends a rule.
const fn is_before_closing_brace(text: &[u8], mut at: usize) -> bool {
    while at < text.len() && matches!(text[at], b' ' | b'\n') {
        at += 1;
    }
    at < text.len() && text[at] == b'}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(text: &str, how: Press) -> String {
        let mut room = minify::<4096>(text.as_bytes(), how);
        assert_eq!(room.1, length(text.as_bytes(), how));
        String::from_utf8_lossy(&room.0.as_mut_slice()[..room.1]).into_owned()
    }

    #[test]
    fn a_script_keeps_its_texts() {
        let script = "// What it is for.\n'use strict';\n{\n  // why\n  const a = 'x  // y'; // so: it's\n\n    f(a);\n}\n";
        assert_eq!(pressed(script, Press::Script), "'use strict';{const a='x  // y';f(a)}\n");
        for (script, left) in [
            ("let [a, b] = c ? { d: 1 } : [];", "let[a,b]=c?{d:1}:[];"),
            ("return a + +b - -c;", "return a+ +b- -c;"),
            ("if (a) { b(); }", "if(a){b()}"),
            (
                "f(`a; }`, `b ${c ? `d ;} ${ {} }` : ''} e`, `\\``, g);",
                "f(`a; }`,`b ${c ? `d ;} ${ {} }` : ''} e`,`\\``,g);",
            ),
            ("f('a, b', \"c : d\", e = 'it\\'s, so', g);", "f('a, b',\"c : d\",e='it\\'s, so',g);"),
            ("return 'a ' in b * c;", "return'a 'in b*c;"),
            ("f(a, `b, ${c ? `d, e` : ''}, f`, g);", "f(a,`b, ${c ? `d, e` : ''}, f`,g);"),
            ("g(/[\", /;]/, a / b, c); h(a, b);", "g(/[\", /;]/,a / b,c);h(a,b);"),
            (
                "const a = () => { const b = 1; }; // so\n// and so\nconst c = 2;",
                "const a=()=>{const b=1},c=2;",
            ),
            ("if (a) { b(); }\nconst c = f({ d: 1 }); const [e] = c;", "if(a){b()}\nconst c=f({d:1}),[e]=c;"),
            (
                "for (const a of b) f(a); const c = 1; g(c); const d = 2;",
                "for(const a of b)f(a);const c=1;g(c);const d=2;",
            ),
            ("try { a(); } catch { /* not so; */ }", "try{a()}catch{}"),
            ("return true; a.true, untrue, f({ b: false });", "return !0;a.true,untrue,f({b:!1});"),
            ("f(a\n  ? b\n  : c)\n  .d;", "f(a?b:c).d;"),
        ] {
            assert_eq!(pressed(script, Press::Script), left);
        }
    }

    #[test]
    fn a_sheet_keeps_the_spaces_that_mean_something() {
        let sheet = "/* 1 tokens */\n:root { --a: #fff; --b: calc(1px + 2px); }\n\n\
                     .a > b, .c :is(d, e) :hover { margin: 0 auto; color: red; }\n\
                     @media (max-width: 9px) and (x) {\n  .a b { content: \"/\"; }\n}\n";
        assert_eq!(
            pressed(sheet, Press::Sheet),
            ":root{--a:#fff;--b:calc(1px + 2px)}.a>b,.c :is(d,e) :hover{margin:0 auto;color:red}\
             @media (max-width:9px) and (x){.a b{content:\"/\"}}"
        );
    }

    #[test]
    fn nothing_goes_from_what_is_neither() {
        assert_eq!(pressed(" <svg />\n", Press::Nothing), " <svg />\n");
    }
}
