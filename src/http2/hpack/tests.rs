//! RFC 7541, appendix C; what is written is read again; nothing that is read does harm.

use proptest::prelude::*;

use super::table::STATIC;
use super::*;

type Pairs = Vec<(String, String)>;

fn decoder(size_max: usize) -> Decoder<()> {
    Decoder::new(size_max, |_, _| (), &[(); 61])
}

fn decode(decoder: &mut Decoder<()>, block: &[u8]) -> Result<Pairs, Undecodable> {
    let mut pairs = Pairs::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    decoder.decode(block, |field| {
        pairs.push((text(field.name), text(field.value)));
        true
    })?;
    Ok(pairs)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("digits")
    };
    digits.chunks(2).map(byte).collect()
}

fn pairs(lines: &str) -> Pairs {
    let pair = |line: &str| {
        let at = line[1..].find(": ").expect("a field") + 1;
        (line[..at].trim().to_owned(), line[at + 2..].to_owned())
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(pair).collect()
}

/// Blocks, what they stand for, and the size of the table behind each.
fn check(size_max: usize, blocks: &[(&str, &str, usize)]) {
    let mut decoder = decoder(size_max);
    for (hex, fields, size) in blocks {
        assert_eq!(decode(&mut decoder, &bytes(hex)), Ok(pairs(fields)), "{hex}");
        assert_eq!(decoder.table().size(), *size, "{hex}");
    }
}

#[test]
fn c_1_integers() {
    for (value, prefix, coded) in
        [(10, 5, &[0x0a][..]), (1337, 5, &[0x1f, 0x9a, 0x0a]), (42, 8, &[0x2a])]
    {
        let mut out = Vec::new();
        integer::write(0, prefix, value, &mut out);
        assert_eq!(out, coded);
        let mut rest = &out[1..];
        assert_eq!((integer::read(out[0], prefix, &mut rest), rest.len()), (Ok(value), 0));
    }
}

#[test]
fn c_2_fields() {
    let custom = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    check(4096, &[(custom, "custom-key: custom-header", 55)]);
    check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0)]);
    check(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", 0)]);
    check(4096, &[("82", ":method: GET", 0)]);
}

const FIRST: &str = ":method: GET
    :scheme: http
    :path: /
    :authority: www.example.com";
const SECOND: &str = ":method: GET
    :scheme: http
    :path: /
    :authority: www.example.com
    cache-control: no-cache";
const THIRD: &str = ":method: GET
    :scheme: https
    :path: /index.html
    :authority: www.example.com
    custom-key: custom-value";

#[test]
fn c_3_requests() {
    check(
        4096,
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND, 110),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                THIRD,
                164,
            ),
        ],
    );
}

#[test]
fn c_4_requests_in_huffmans_code() {
    check(
        4096,
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57),
            ("8286 84be 5886 a8eb 1064 9cbf", SECOND, 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, 164),
        ],
    );
}

#[test]
fn c_6_responses_that_evict() {
    check(
        256,
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                ":status: 302
                 cache-control: private
                 date: Mon, 21 Oct 2013 20:13:21 GMT
                 location: https://www.example.com",
                222,
            ),
            (
                "4883 640e ffc1 c0bf",
                ":status: 307
                 cache-control: private
                 date: Mon, 21 Oct 2013 20:13:21 GMT
                 location: https://www.example.com",
                222,
            ),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                ":status: 200
                 cache-control: private
                 date: Mon, 21 Oct 2013 20:13:22 GMT
                 location: https://www.example.com
                 content-encoding: gzip
                 set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
                215,
            ),
        ],
    );
}

#[test]
fn a_table_is_never_larger_than_was_offered() {
    let mut small = decoder(100);
    assert_eq!(decode(&mut small, &[0x3f, 101 - 31]), Err(Undecodable));
    assert_eq!(decode(&mut decoder(100), &[0x3f, 100 - 31]), Ok(vec![]));
    assert_eq!(decode(&mut decoder(100), &[0x82, 0x20]), Err(Undecodable), "behind a field");
}

#[test]
fn whoever_reads_may_have_had_enough() {
    let mut decoder = decoder(4096);
    let mut n_seen = 0;
    let enough = decoder.decode(&[0x82; 100], |_| {
        n_seen += 1;
        n_seen < 3
    });
    assert_eq!((enough, n_seen), (Err(Undecodable), 3));
}

#[test]
fn names_that_everybody_knows_are_written_as_their_index() {
    for (index, (name, _)) in STATIC.iter().enumerate().skip(14) {
        let mut out = Vec::new();
        Encoder::default().field(&name.to_ascii_uppercase(), b"v", &mut out);
        let read = decode(&mut decoder(0), &out).expect("well written");
        assert_eq!(read[0].0.as_bytes(), *name, "{index}");
    }
}

proptest! {
    #[test]
    fn huffmans_code_is_read_as_it_was_written(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut coded, mut read) = (Vec::new(), Vec::new());
        huffman::encode(&text, &mut coded);
        prop_assert_eq!(huffman::decode(&coded, &mut read), Ok(()));
        prop_assert_eq!(read, text);
    }

    #[test]
    fn what_is_written_is_read_again(
        status in 100_u16..1000,
        fields in prop::collection::vec(("[a-z-]{1,200}", "[ -~]{0,300}"), 0..30),
    ) {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        encoder.begin(&mut out);
        encoder.status(status, &mut out);
        for (name, value) in &fields {
            encoder.field(name.as_bytes(), value.as_bytes(), &mut out);
        }
        let mut expected = vec![(":status".to_owned(), status.to_string())];
        expected.extend(fields);
        prop_assert_eq!(decode(&mut decoder(4096), &out), Ok(expected));
    }

    #[test]
    fn whatever_comes_does_no_harm(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..20),
        size_max in 0_usize..5000,
    ) {
        let mut decoder = decoder(size_max);
        for block in &blocks {
            let _ = decode(&mut decoder, block);
            prop_assert!(decoder.table().size() <= size_max);
            prop_assert!(decoder.table().memory() <= 4 * size_max.max(64));
        }
    }

    #[test]
    fn tables_hold_what_was_put_in_last(
        fields in prop::collection::vec(("[a-z]{1,40}", "[a-z]{0,200}"), 1..60),
    ) {
        let mut table = table::Table::new(1000);
        for (n, (name, value)) in fields.iter().enumerate() {
            table.insert(name.as_bytes(), value.as_bytes(), n);
            let kept = (0..).map_while(|index| table.get(index));
            for (back, (name, value, mark)) in kept.enumerate() {
                prop_assert_eq!(mark, n - back);
                prop_assert_eq!(name, fields[n - back].0.as_bytes());
                prop_assert_eq!(value, fields[n - back].1.as_bytes());
            }
            prop_assert!(table.size() <= 1000 && table.get(0).is_some());
        }
    }
}
