//! Tests of writer threads: lines arrive in order, a stuck or broken target costs lines and nothing else.

use std::fs;
use std::io::Read;
use std::time::Instant;

use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

fn file_writer(path: &std::path::Path) -> Writer {
    Writer::open(&LogTarget::File(path.to_owned())).expect("the file can be opened")
}

/// A writer into a pipe of which nobody reads until the test does.
fn pipe_writer() -> (Writer, io::PipeReader) {
    let (reader, pipe) = io::pipe().expect("a pipe");
    let output =
        Output { file: OwnedFd::from(pipe).into(), target: LogTarget::Stdout, torn: false };
    (Writer::start(output, Voice::InPlace).expect("a thread"), reader)
}

#[test]
fn lines_are_appended_in_order_and_flush_waits_for_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    fs::write(&path, "before\n").expect("written");
    let writer = file_writer(&path);
    let sender = writer.sender();
    for index in 0..100 {
        sender.send(format!("line {index}\n").into_bytes(), 1);
    }
    assert!(writer.flush(DEADLINE));
    let expected =
        (0..100).fold("before\n".to_owned(), |text, index| text + &format!("line {index}\n"));
    assert_eq!(fs::read_to_string(&path).expect("readable"), expected);
    assert_eq!(writer.lost_lines(), 0);
}

#[test]
fn a_rotated_file_is_opened_again_by_its_path() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, old) = (directory.path().join("log"), directory.path().join("log.1"));
    let writer = file_writer(&path);
    writer.sender().send(b"one\n".to_vec(), 1);
    assert!(writer.flush(DEADLINE));
    fs::rename(&path, &old).expect("renamed");
    writer.reopen();
    writer.sender().send(b"two\n".to_vec(), 1);
    assert!(writer.flush(DEADLINE));
    assert_eq!(fs::read_to_string(&old).expect("readable"), "one\n");
    assert_eq!(fs::read_to_string(&path).expect("readable"), "two\n");
}

#[test]
fn a_file_that_cannot_be_opened_again_keeps_the_old_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let (inner, moved) = (directory.path().join("a"), directory.path().join("b"));
    fs::create_dir(&inner).expect("created");
    let writer = file_writer(&inner.join("log"));
    fs::rename(&inner, &moved).expect("renamed");
    writer.reopen();
    writer.sender().send(b"kept\n".to_vec(), 1);
    assert!(writer.flush(DEADLINE));
    assert_eq!(fs::read_to_string(moved.join("log")).expect("readable"), "kept\n");
}

#[test]
fn a_directory_that_does_not_exist_is_an_error_that_names_the_file() {
    let error =
        Writer::open(&LogTarget::File("/nonexistent/access.log".into())).expect_err("no such");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("/nonexistent/access.log"));
}

#[test]
fn a_pipe_that_nobody_reads_costs_lines_and_never_blocks_the_sender() {
    let (writer, mut reader) = pipe_writer();
    let sender = writer.sender();
    let line = vec![b'x'; 4095].into_iter().chain([b'\n']).collect::<Vec<_>>();
    let n_sent = 4 * QUEUE_BUFFERS_MAX as u64;
    let started = Instant::now();
    for _ in 0..n_sent {
        sender.send(line.clone(), 1);
    }
    assert!(started.elapsed() < DEADLINE, "sending blocked");
    let n_lost = writer.lost_lines();
    assert!(n_lost > 0 && n_lost < n_sent, "{n_lost} lines were lost");
    assert!(!writer.flush(Duration::ZERO), "the pipe is still blocked");

    let read = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("readable");
        text
    });
    assert!(writer.flush(DEADLINE));
    drop((writer, sender));
    let text = read.join().expect("read");
    let (notes, lines): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with('('));
    assert_eq!(lines.len() as u64, n_sent - n_lost);
    assert_eq!(notes, [format!("({n_lost} lines of this log were dropped: nobody read it)")]);
}

#[test]
fn bytes_that_wait_are_bounded_but_one_large_buffer_may_go_alone() {
    let (writer, mut reader) = pipe_writer();
    let sender = writer.sender();
    sender.send(vec![b'\n'; QUEUE_BYTES_MAX + 1], 7);
    assert_eq!(writer.lost_lines(), 0);
    sender.send(b"\n".to_vec(), 3);
    assert_eq!(writer.lost_lines(), 3);
    drop((writer, sender));
    let n_read = io::copy(&mut reader, &mut io::sink()).expect("readable");
    assert!(n_read as usize > QUEUE_BYTES_MAX);
}

#[test]
fn a_full_disk_loses_lines_and_is_left_behind_when_there_is_room_again() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let writer = file_writer("/dev/full".as_ref());
    writer.sender().send(b"one\ntwo\n".to_vec(), 2);
    writer.sender().send(b"three\n".to_vec(), 1);
    assert!(writer.flush(DEADLINE), "a full disk must not stall the thread");
    assert_eq!(writer.lost_lines(), 3);
}

#[test]
fn a_torn_line_is_ended_before_the_next_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let mut output = Output::open(&LogTarget::File(path.clone())).expect("opened");
    output.write(b"half a li").expect("written");
    output.write(b"whole\n").expect("written");
    assert_eq!(fs::read_to_string(&path).expect("readable"), "half a li\nwhole\n");
}

#[test]
fn buffers_come_back_empty() {
    let directory = tempfile::tempdir().expect("a directory");
    let writer = file_writer(&directory.path().join("log"));
    let sender = writer.sender();
    let mut line = Vec::with_capacity(1000);
    line.extend_from_slice(b"line\n");
    sender.send(line, 1);
    assert!(writer.flush(DEADLINE));
    let buffer = sender.buffer();
    assert!(buffer.is_empty() && buffer.capacity() >= 1000);
    assert_eq!(sender.buffer().capacity(), 0);
}

#[test]
fn a_non_blocking_pipe_is_waited_for() {
    let (mut reader, pipe) = io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&pipe, true).expect("non-blocking");
    let output =
        Output { file: OwnedFd::from(pipe).into(), target: LogTarget::Stdout, torn: false };
    let writer = Writer::start(output, Voice::InPlace).expect("a thread");
    writer.sender().send(vec![b'\n'; 1 << 20], 1 << 20);
    drop(writer);
    let n_read = io::copy(&mut reader, &mut io::sink()).expect("readable");
    assert_eq!(n_read, 1 << 20);
}
