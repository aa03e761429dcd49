//! Edits to a field section, against a plain list of names and values.

use proptest::prelude::*;

use super::*;

/// A section of received lines `name: value`.
fn section(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    fields.bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
    for (name, value) in lines {
        let start = fields.bytes.len();
        fields.bytes.extend_from_slice(format!("{name}:  {value}\r\n").as_bytes());
        let value_start = start + name.len() + 3;
        let known = Known::of(name.as_bytes());
        let line = (start, fields.bytes.len());
        fields.index(known, line, name.len(), (value_start, value_start + value.len()));
    }
    fields
}

fn written(fields: &Fields) -> String {
    let mut out = Vec::new();
    fields.write_to(&mut out);
    String::from_utf8(out).expect("text")
}

const RECEIVED: &[(&str, &str)] =
    &[("Host", "a.test"), ("X-One", "1"), ("Cookie", "c"), ("X-TWO", "2"), ("x-one", "again")];

#[test]
fn what_is_not_touched_is_written_as_received() {
    let fields = section(RECEIVED);
    let expected = "Host:  a.test\r\nX-One:  1\r\nCookie:  c\r\nX-TWO:  2\r\nx-one:  again\r\n";
    assert_eq!(written(&fields), expected);
    assert_eq!((fields.len(), fields.is_empty()), (5, false));
    assert_eq!(written(&Fields::default()), "");
}

#[test]
fn fields_are_found_by_entry_and_by_name_in_any_case_and_in_order() {
    let mut fields = section(RECEIVED);
    fields.append(Known::Host, b"host", &[b"b", b".", b"test"]);
    assert_eq!(fields.get(Known::Host), Some(&b"a.test"[..]));
    assert_eq!(fields.all(Known::Host).collect::<Vec<_>>(), [b"a.test", b"b.test"]);
    assert_eq!(fields.named(b"x-two"), Some(&b"2"[..]));
    assert_eq!(fields.named(b"x-one"), Some(&b"1"[..]));
    assert_eq!(fields.named(b"x-tw"), None);
    assert_eq!(fields.get(Known::Te), None);
}

#[test]
fn a_removed_field_is_gone_for_every_reader_and_its_neighbours_stay_whole() {
    let mut fields = section(RECEIVED);
    fields.remove_if(|known, name| known == Known::Cookie || name == b"X-One");
    assert_eq!(written(&fields), "Host:  a.test\r\nX-TWO:  2\r\nx-one:  again\r\n");
    assert_eq!(fields.get(Known::Cookie), None);
    assert_eq!(fields.named(b"x-one"), Some(&b"again"[..]));
    assert_eq!(fields.iter().count(), 3);
    fields.remove_if(|_, _| true);
    assert!(fields.is_empty() && written(&fields).is_empty());
}

#[test]
fn fields_are_removed_by_name_in_any_case_and_no_other_with_them() {
    let mut fields = section(RECEIVED);
    fields.append(Known::XForwarded, b"x-forwarded-port", &[b"1"]);
    fields.append(Known::XForwarded, b"x_forwarded_port", &[b"2"]);
    for name in [&b"x-one"[..], b"COOKIE", b"X-Forwarded-Port", b"none"] {
        fields.remove_named(name);
    }
    assert_eq!(written(&fields), "Host:  a.test\r\nX-TWO:  2\r\nx_forwarded_port: 2\r\n");
}

#[test]
fn a_copy_has_the_value_of_the_first_live_field_and_none_comes_of_none() {
    let mut fields = section(RECEIVED);
    fields.append_copy(Known::XForwardedHost, b"x-forwarded-host", Known::Host);
    assert_eq!(fields.get(Known::XForwardedHost), Some(&b"a.test"[..]));
    fields.remove_if(|known, _| known == Known::Host);
    fields.append_copy(Known::XForwardedHost, b"x-forwarded-host", Known::Host);
    assert_eq!(fields.all(Known::XForwardedHost).count(), 1);
    assert!(written(&fields).ends_with("x-forwarded-host: a.test\r\n"));
}

#[test]
fn a_section_can_be_written_without_one_kind_of_field() {
    let fields = section(RECEIVED);
    let mut out = Vec::new();
    fields.write_without(Known::Host, &mut out);
    assert_eq!(out, &written(&fields).as_bytes()["Host:  a.test\r\n".len()..]);
}

#[test]
fn clearing_forgets_everything_and_keeps_memory_up_to_a_bound() {
    let mut fields = section(RECEIVED);
    fields.append(Known::Other, b"x", &[&[b'v'; 100_000]]);
    fields.clear();
    assert!(fields.is_empty() && fields.bytes.is_empty());
    assert!(fields.bytes.capacity() <= 4096);
}

/// One edit of the model and of the section alike.
#[derive(Clone, Debug)]
enum Edit {
    Append(usize, String),
    Remove(usize),
    Copy(usize),
}

const NAMES: &[&str] = &["host", "cookie", "te", "x-a", "x-b", "x-forwarded-for"];

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let name = 0..NAMES.len();
    let edit = prop_oneof![
        (name.clone(), "[a-z]{0,12}").prop_map(|(name, value)| Edit::Append(name, value)),
        name.clone().prop_map(Edit::Remove),
        name.prop_map(Edit::Copy),
    ];
    proptest::collection::vec(edit, 0..40)
}

proptest! {
    #[test]
    fn any_edits_come_out_as_on_a_plain_list(edits in edits()) {
        let mut fields = section(&[("host", "h"), ("x-a", "1"), ("te", "t")]);
        let mut list: Vec<(String, String)> =
            [("host", " h"), ("x-a", " 1"), ("te", " t")].map(|(n, v)| (n.into(), v.into())).into();
        for edit in edits {
            match edit {
                Edit::Append(i, value) => {
                    fields.append(Known::of(NAMES[i].as_bytes()), NAMES[i].as_bytes(), &[value.as_bytes()]);
                    list.push((NAMES[i].into(), value));
                }
                Edit::Remove(i) => {
                    fields.remove_if(|_, name| name == NAMES[i].as_bytes());
                    list.retain(|(name, _)| name != NAMES[i]);
                }
                Edit::Copy(i) => {
                    let known = Known::of(NAMES[i].as_bytes());
                    if known == Known::Other { continue; }
                    fields.append_copy(Known::Other, b"x-copy", known);
                    let copied = list.iter().find(|(name, _)| name == NAMES[i]);
                    let copied = copied.map(|(_, value)| value.trim().to_owned());
                    list.extend(copied.map(|value| ("x-copy".into(), value)));
                }
            }
        }
        let expected: String = list.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        prop_assert_eq!(written(&fields), expected);
        prop_assert_eq!(fields.len(), list.len());
        for (name, _) in &list {
            let first = list.iter().find(|(other, _)| other == name).expect("there");
            prop_assert_eq!(fields.named(name.as_bytes()), Some(first.1.trim().as_bytes()));
        }
    }
}
