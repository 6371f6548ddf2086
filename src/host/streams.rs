//! The pipes of a child: what it is fed and what it says, moved while it is waited for.

use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::time::Duration;

use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::poll::PollFlags;

use super::signals;
use crate::secret::Secret;

/// Output kept in memory; what is more is read and dropped.
const CAPTURE_LIMIT: usize = 4 << 20;

/// Pipes that were asked for, while their other end is open.
pub(super) struct Streams {
    input: Option<(ChildStdin, Secret<Vec<u8>>, usize)>,
    stdout: Captured<ChildStdout>,
    stderr: Captured<ChildStderr>,
}

struct Captured<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
}

impl Streams {
    /// Those of a child that has just been started, which reads `input`.
    pub(super) fn of(child: &mut Child, input: Option<&Secret<Vec<u8>>>) -> io::Result<Self> {
        let streams = Self {
            input: child.stdin.take().zip(input.cloned()).map(|(pipe, text)| (pipe, text, 0)),
            stdout: Captured { pipe: child.stdout.take(), bytes: Vec::new() },
            stderr: Captured { pipe: child.stderr.take(), bytes: Vec::new() },
        };
        for (pipe, _) in streams.open() {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(streams)
    }

    fn open(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let input = self.input.as_ref().map(|(pipe, ..)| (pipe.as_fd(), PollFlags::POLLOUT));
        let stdout = self.stdout.pipe.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::POLLIN));
        let stderr = self.stderr.pipe.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::POLLIN));
        [input, stdout, stderr].into_iter().flatten()
    }

    /// Moves what can be moved without waiting.
    pub(super) fn move_on(&mut self) {
        if let Some((pipe, text, written)) = &mut self.input {
            let bytes = text.expose();
            let is_open = loop {
                match pipe.write(&bytes[*written..]) {
                    Ok(0) => break false,
                    Ok(more) => *written += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => break error.kind() == io::ErrorKind::WouldBlock,
                }
            };
            if !is_open {
                self.input = None;
            }
        }
        self.stdout.take_in();
        self.stderr.take_in();
    }

    /// Waits until something can be moved, a signal arrives or `limit` passes.
    pub(super) fn wait(&self, limit: Duration) {
        signals::wait_for(self.open(), limit);
    }

    /// What it said, standard output and error. What a job that it left behind says later is not waited for.
    pub(super) fn end(mut self) -> (String, String) {
        self.stdout.take_the_rest();
        self.stderr.take_the_rest();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&self.stdout.bytes), text(&self.stderr.bytes))
    }
}

impl<P: Read> Captured<P> {
    /// What the pipe holds, or as much as is kept of one whose other end goes on.
    fn take_the_rest(&mut self) {
        let mut taken = usize::MAX;
        while self.pipe.is_some() && taken != self.bytes.len() {
            taken = self.bytes.len();
            self.take_in();
        }
    }

    fn take_in(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut buffer = [0; 8 << 10];
        // About what a pipe holds and no more: one that never stops talking must not keep us from looking at the clock.
        for _ in 0..8 {
            match pipe.read(&mut buffer) {
                Ok(0) => {
                    self.pipe = None;
                    return;
                }
                Ok(count) => {
                    let kept = count.min(CAPTURE_LIMIT.saturating_sub(self.bytes.len()));
                    self.bytes.extend_from_slice(&buffer[..kept]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.pipe = None;
                    return;
                }
            }
        }
    }
}
