//! What every recogniser finds, and what it leaves alone. `=` stands for a text that stays as it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

use filter_config::{Builtin, TextCheck};
use prompt_guard::{Form, Guard, Guards, Vault};

fn check(builtin: Builtin, cases: &[(&str, &str)]) {
    let check = TextCheck { builtins: vec![builtin], ..TextCheck::default() };
    let guards = Guards::new(vec![Guard::compile(&check, false, 64).unwrap()]);
    let mut failed = Vec::new();
    for (text, expected) in cases {
        let expected = if *expected == "=" { *text } else { *expected };
        let applied = guards.apply(text, Form::Text, &mut Vault::new()).unwrap();
        let masked = applied.text.unwrap_or_else(|| (*text).to_owned());
        if masked != expected {
            failed.push(format!("{text:?}\n  gave     {masked:?}\n  expected {expected:?}"));
        }
    }
    assert!(failed.is_empty(), "{builtin:?}:\n{}", failed.join("\n"));
}

#[test]
fn social_security_numbers() {
    check(
        Builtin::Ssn,
        &[
            ("123-45-6789", "<SSN>"),
            ("My SSN is 123-45-6789.", "My SSN is <SSN>."),
            ("123 45 6789, 123.45.6789", "<SSN>, <SSN>"),
            ("123\u{2011}45\u{2011}6789", "<SSN>"),
            ("(123-45-6789)", "(<SSN>)"),
            ("ssn=123456789;", "ssn=<SSN>;"),
            ("Social Security number: 123456789", "Social Security number: <SSN>"),
            ("order 123456789", "="),
            ("000-12-3456 666-12-3456 900-12-3456 999-12-3456", "="),
            ("123-00-6789 123-45-0000", "="),
            ("123-45 6789", "="),
            ("123-45-67890 1123-45-6789", "="),
            ("a123-45-6789 123-45-6789a _123-45-6789", "="),
            ("é123-45-6789", "="),
            ("我的号码是123-45-6789谢谢", "我的号码是<SSN>谢谢"),
            ("번호는 123-45-6789입니다", "번호는 <SSN>입니다"),
            ("เลข123-45-6789ครับ", "เลข<SSN>ครับ"),
            ("123-456-789", "="),
            ("123-45-678", "="),
            ("899-12-3456", "<SSN>"),
        ],
    );
}

#[test]
fn payment_cards() {
    check(
        Builtin::CreditCard,
        &[
            ("4111111111111111", "<CREDIT_CARD>"),
            ("4111 1111 1111 1111", "<CREDIT_CARD>"),
            ("Card: 4111-1111-1111-1111!", "Card: <CREDIT_CARD>!"),
            ("5555\u{a0}5555\u{a0}5555\u{a0}4444", "<CREDIT_CARD>"),
            ("378282246310005 and 3782 822463 10005", "<CREDIT_CARD> and <CREDIT_CARD>"),
            ("30569309025904", "<CREDIT_CARD>"),
            ("4222222222222", "<CREDIT_CARD>"),
            ("6304000000000000000", "<CREDIT_CARD>"),
            ("4111111111111111, 12/26, 123", "<CREDIT_CARD>, 12/26, 123"),
            ("4111 1111 1111 1111 4111 1111 1111 1111", "<CREDIT_CARD> <CREDIT_CARD>"),
            ("1234 4111 1111 1111 1111", "1234 <CREDIT_CARD>"),
            // One digit wrong.
            ("4111111111111112", "="),
            ("4111 1111 1111 1112", "="),
            // Too short, too long, inside of a word.
            ("411111111116", "="),
            ("41111111111111114111111111111111", "="),
            ("x4111111111111111 4111111111111111x", "="),
            // Separators of two kinds, two in a row, groups of two.
            ("4111-1111 1111-1111", "="),
            ("4111  1111  1111  1111", "="),
            ("41 11 11 11 11 11 11 11", "="),
            // Milliseconds since 1970 that pass Luhn's check.
            ("1700000000004 1700000000012", "="),
            ("0000000000000000", "="),
        ],
    );
}

#[test]
fn phone_numbers() {
    check(
        Builtin::PhoneNumber,
        &[
            ("555-123-4567", "<PHONE_NUMBER>"),
            (
                "(123) 456-7890 or +1-800-555-1234 or 555.123.4567",
                "<PHONE_NUMBER> or <PHONE_NUMBER> or <PHONE_NUMBER>",
            ),
            ("(212)555-0123", "<PHONE_NUMBER>"),
            ("1-800-555-1234, 1 (800) 555-1234", "<PHONE_NUMBER>, <PHONE_NUMBER>"),
            ("212 5550123", "<PHONE_NUMBER>"),
            ("call 4155552671 now", "call <PHONE_NUMBER> now"),
            ("+14155552671", "<PHONE_NUMBER>"),
            ("+44 20 7946 0958.", "<PHONE_NUMBER>."),
            ("+49 (0)30 123456", "<PHONE_NUMBER>"),
            ("+33 1 23 45 67 89", "<PHONE_NUMBER>"),
            ("+49/30/1234567", "<PHONE_NUMBER>"),
            ("tel:+8613912345678", "tel:<PHONE_NUMBER>"),
            ("212\u{2011}555\u{2011}0123", "<PHONE_NUMBER>"),
            // No telephone in sight.
            ("id 4155552671", "="),
            ("1700000000", "="),
            ("call 1155552671", "="),
            ("2024-11-21 12:30", "="),
            ("555-1234", "="),
            ("000-123-4567", "="),
            ("x555-123-4567 555-123-4567x 555-123-45678", "="),
            ("550e8400-e29b-41d4-a716-446655440000", "="),
            ("3 + 12345678", "="),
            ("+0123456789", "="),
            ("+1234567", "="),
            ("+1234567890123456", "="),
            ("4111 1111 1111 1111", "="),
        ],
    );
}

#[test]
fn email_addresses() {
    check(
        Builtin::Email,
        &[
            ("john@example.com", "<EMAIL_ADDRESS>"),
            ("Mail john.doe+tag@mail.example.co.uk.", "Mail <EMAIL_ADDRESS>."),
            (
                "<a@b.io>, 'c_d@e-f.org'; mailto:g%h@i.dev?x",
                "<<EMAIL_ADDRESS>>, '<EMAIL_ADDRESS>'; mailto:<EMAIL_ADDRESS>?x",
            ),
            ("josé@exämple.de", "<EMAIL_ADDRESS>"),
            ("用户@例子.公司", "<EMAIL_ADDRESS>"),
            ("我的邮箱是ann@example.com谢谢", "我的邮箱是<EMAIL_ADDRESS>谢谢"),
            ("메일은 ann@mail.example.co.kr로", "메일은 <EMAIL_ADDRESS>로"),
            ("ann@例え.jp", "<EMAIL_ADDRESS>"),
            ("a@b.xn--p1ai", "<EMAIL_ADDRESS>"),
            ("a@b.com-", "<EMAIL_ADDRESS>-"),
            ("a@b.com..", "<EMAIL_ADDRESS>.."),
            ("a@b.com@c.org", "<EMAIL_ADDRESS>@c.org"),
            ("-a@b.com", "-<EMAIL_ADDRESS>"),
            ("a@b", "="),
            ("a@b.c", "="),
            ("a@.com @b.com a@-b.com", "="),
            ("a@1.2.3.4", "="),
            ("a @b.com a@ b.com", "="),
            ("npm i @scope/pkg@1.2.3", "="),
            // The local part ends at 64 bytes: what is before it stays.
            (
                "1234567890123456789012345678901234567890123456789012345678901234567890@b.com",
                "123456<EMAIL_ADDRESS>",
            ),
        ],
    );
}

#[test]
fn canadian_social_insurance_numbers() {
    check(
        Builtin::CaSin,
        &[
            ("046 454 286", "="),
            ("130 692 544", "<CA_SIN>"),
            ("SIN: 130-692-544.", "SIN: <CA_SIN>."),
            ("130692544", "<CA_SIN>"),
            ("130-692-545", "="),
            ("130-692 544 130.692.544", "="),
            ("130 692 5444", "="),
            ("0130692544 x130692544", "="),
            ("800 000 002", "="),
        ],
    );
}

#[test]
fn web_addresses() {
    check(
        Builtin::Url,
        &[
            ("https://example.com", "<URL>"),
            ("See https://example.com/a?b=c#d, or HTTP://X.ORG.", "See <URL>, or <URL>."),
            ("(https://en.wikipedia.org/wiki/Rust_(language))", "(<URL>)"),
            ("[x](https://a.b/c) <https://a.b> \"http://a\"", "[x](<URL>) <<URL>> \"<URL>\""),
            ("http://[::1]:8080/x", "<URL>"),
            ("http://user:pw@host:80/ä", "<URL>"),
            ("xhttp://a.b ftp://a.b https:// http:/a https//a", "="),
            ("http://", "="),
            ("http://.", "="),
        ],
    );
}

#[test]
fn ip_addresses() {
    check(
        Builtin::IpAddress,
        &[
            ("10.0.0.1", "<IP_ADDRESS>"),
            (
                "Ping 192.168.1.254. Or 8.8.8.8:53, 10.0.0.0/8",
                "Ping <IP_ADDRESS>. Or <IP_ADDRESS>:53, <IP_ADDRESS>/8",
            ),
            ("ip:10.0.0.1", "ip:<IP_ADDRESS>"),
            ("::1 fe80::1 2001:db8::8a2e:370:7334", "<IP_ADDRESS> <IP_ADDRESS> <IP_ADDRESS>"),
            ("[2001:db8::1]:443", "[<IP_ADDRESS>]:443"),
            ("::ffff:10.0.0.1", "<IP_ADDRESS>"),
            ("2001:0db8:85a3:0000:0000:8a2e:0370:7334.", "<IP_ADDRESS>."),
            ("256.1.1.1 1.2.3 1.2.3.4.5 01.2.3.4", "="),
            ("v1.2.3.4 1.2.3.4b", "="),
            ("12:34:56 aa:bb:cc:dd:ee:ff", "="),
            ("std::vec a::b :: x :: y", "="),
            ("fe80::1xyz 12345::1", "="),
            ("fe80::1::2", "="),
        ],
    );
}

#[test]
fn keys_and_tokens() {
    let token = |prefix: &str, length: usize| format!("{prefix}{}", &"a1B2c3D4e5".repeat(40)[..length]);
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAxhr0\nabc+/=\n-----END RSA PRIVATE KEY-----";
    let one_line = pem.replace('\n', "\\n");
    let line = "MIIEowIBAAKCAQEA0123456789abcdefghijklmnopqrstuv";
    let cut = format!("-----BEGIN PRIVATE KEY-----\n{line}\n{line}");
    for secret in [
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        &token("ghp_", 36),
        &token("github_pat_", 82),
        &token("glpat-", 20),
        "xoxb-123456789012-abcDEF",
        &token("sk_live_", 24),
        &token("sk-", 48),
        &token("sk-proj-", 100),
        &token("sk-ant-api03-", 93),
        &token("AIza", 35),
        &token("npm_", 36),
        jwt,
        pem,
        &one_line,
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAB==\n-----END EC PRIVATE KEY-----",
        &cut,
    ] {
        check(Builtin::Secret, &[(secret, "<SECRET>"), (&format!("key='{secret}'!"), "key='<SECRET>'!")]);
    }
    check(
        Builtin::Secret,
        &[
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "aws_secret_access_key = <SECRET>",
            ),
            ("AWS: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY.", "AWS: <SECRET>."),
            // No key word, a commit of 40 digits, one character too many.
            ("hash wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "="),
            ("the secret commit da39a3ee5e6b4b0d3255bfef95601890afd80709", "="),
            ("secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEYX", "="),
            ("AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7EXAMPLEE xAKIAIOSFODNN7EXAMPLE", "="),
            ("ghp_short sk-learn-compatible-estimator-interface", "="),
            ("task-0123456789abcdefghijklmnop", "="),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0", "="),
            ("-----BEGIN PRIVATE KEY----- is how such a file begins, and base64 follows.", "="),
            ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "="),
            ("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "="),
        ],
    );
}

#[test]
fn the_longest_of_several_wins_and_the_first_of_equals() {
    let compile = |builtins: &[Builtin], regex: &str| {
        let pattern = filter_config::Pattern { regex: regex.to_owned(), replacement: Some("#".to_owned()) };
        let check =
            TextCheck { builtins: builtins.to_vec(), patterns: vec![pattern], ..TextCheck::default() };
        Guards::new(vec![Guard::compile(&check, false, 64).unwrap()])
    };
    let mask = |guards: &Guards, text: &str| {
        guards.apply(text, Form::Text, &mut Vault::new()).unwrap().text.unwrap_or_default()
    };
    let all = [Builtin::Email, Builtin::Url, Builtin::IpAddress];
    assert_eq!(mask(&compile(&all, r"\S+@\S+"), "to a@b.com"), "to <EMAIL_ADDRESS>");
    assert_eq!(mask(&compile(&all, r"\S+@\S+!"), "to a@b.com!"), "to #");
    assert_eq!(mask(&compile(&all, "x"), "http://a@b.com/10.0.0.1"), "<URL>");
    assert_eq!(mask(&compile(&all, "o a"), "to a@b.com"), "t#@b.com");
}
