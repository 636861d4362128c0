//! What a host says, taken apart: frames with a length, so that nothing in a file's content can pass for one, and with a
//! nonce, so that nothing that a login shell prints before them can.
use crate::prelude::*;

/// One piece of what a host says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is about.
    pub(crate) topic: String,
    /// The number of the question or item.
    pub(crate) index: usize,
    /// An exit status.
    pub(crate) status: i32,
    /// What was said.
    pub(crate) text: Vec<u8>,
}

/// The largest frame that is read, in bytes: contents are cut at 64 KiB by the host, and nothing else is near as long.
const LARGEST: usize = 8 << 20;

/// Reads frames out of a stream, as it comes.
#[derive(Debug)]
pub struct Reader {
    mark: Vec<u8>,
    buffer: Vec<u8>,
    begun: bool,
}

/// What came is not what a host that runs our program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbled(pub String);

impl Reader {
    /// A reader for frames with this nonce.
    pub fn new(nonce: &str) -> Self {
        Self { mark: format!("@@{nonce} ").into_bytes(), buffer: Vec::new(), begun: false }
    }

    /// Takes more of the stream in.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if it is there.
    ///
    /// # Errors
    /// Something else than a frame stands where one must begin.
    pub fn frame(&mut self) -> Result<Option<Frame>, Garbled> {
        if !self.begun {
            // A login shell may have said something before.
            let found = self.buffer.windows(self.mark.len()).position(|window| window == self.mark);
            let Some(at) = found else {
                // Keep only what may be the beginning of the mark.
                let keep = self.buffer.len().min(self.mark.len());
                self.buffer.drain(..self.buffer.len() - keep);
                return Ok(None);
            };
            self.buffer.drain(..at);
            self.begun = true;
        }
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
            return if self.buffer.len() > 256 { Err(self.garbled()) } else { Ok(None) };
        };
        let Some((frame, length)) = self.header(end) else { return Err(self.garbled()) };
        let whole = end + 1 + length + 1;
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let text = self.buffer.get(end + 1..end + 1 + length).unwrap_or_default().to_vec();
        if self.buffer.get(whole - 1) != Some(&b'\n') {
            return Err(self.garbled());
        }
        self.buffer.drain(..whole);
        Ok(Some(Frame { text, ..frame }))
    }

    fn header(&self, end: usize) -> Option<(Frame, usize)> {
        let line = core::str::from_utf8(self.buffer.get(..end)?.strip_prefix(&*self.mark)?).ok()?;
        let mut words = line.split(' ');
        let topic = words.next()?.to_owned();
        let (index, status) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let length: usize = words.next()?.parse().ok()?;
        (length <= LARGEST && words.next().is_none())
            .then_some((Frame { topic, index, status, text: Vec::new() }, length))
    }

    fn garbled(&self) -> Garbled {
        let shown = String::from_utf8_lossy(self.buffer.get(..self.buffer.len().min(80)).unwrap_or_default())
            .escape_debug()
            .to_string();
        Garbled(format!("the host said something unexpected: {shown}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(reader: &mut Reader, bytes: &[u8]) -> Result<Vec<Frame>, Garbled> {
        reader.feed(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = reader.frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn every_cut_of_a_stream_gives_the_same_frames() {
        let stream = b"Welcome @@ to\n@@ab host @@k stat 0 0 3\nx\ny\n@@k end 2 -1 0\n\n";
        let whole = frames(&mut Reader::new("k"), stream).unwrap();
        assert_eq!(whole.len(), 2);
        assert_eq!((whole[0].text.as_slice(), whole[1].index, whole[1].status), (&b"x\ny"[..], 2, -1));
        for cut in 0..stream.len() {
            let mut reader = Reader::new("k");
            let mut parts = frames(&mut reader, &stream[..cut]).unwrap();
            assert!(cut == stream.len() || parts.len() < 2, "a cut stream has no end");
            parts.extend(frames(&mut reader, &stream[cut..]).unwrap());
            assert_eq!(parts, whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_inside_a_text_is_text() {
        let got = frames(&mut Reader::new("k"), b"@@k text 0 0 17\n@@k end 0 0 0\n\n\n\n\n@@k end 0 0 0\n\n").unwrap();
        assert_eq!(got.iter().map(|frame| frame.topic.as_str()).collect::<Vec<_>>(), ["text", "end"]);
    }

    #[test]
    fn anything_else_is_an_error() {
        for bad in [
            "@@k stat 0 0 1\nxy\n",
            "@@k stat 0 0 0\n\nnoise\n",
            "@@k stat x 0 0\n\n",
            "@@k stat 0 0 99999999999\n",
            "@@k stat 0 0 -1\n",
        ] {
            assert!(frames(&mut Reader::new("k"), bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
