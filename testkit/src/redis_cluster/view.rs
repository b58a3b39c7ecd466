//! What one node of a cluster believes about all of them.
//!
//! Owns the reading of `CLUSTER NODES`. Nodes are known by their ids; addresses are not kept. Whether the belief is
//! true, or shared by the other nodes, is not decided here.

use std::ops::RangeInclusive;

/// Flags of a node whom the one asked does not take for a working member.
const DOUBTS: [&str; 4] = ["fail", "fail?", "handshake", "noaddr"];

/// All nodes, as one of them sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) members: Vec<Member>,
}

/// One line of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: String,
    /// The id of its master, if it is a replica.
    pub(super) master: Option<String>,
    /// Whether the node that was asked takes it for a working member.
    pub(super) trusted: bool,
    /// The newer of two claims on a slot has the higher one.
    pub(super) epoch: u64,
    /// The slots it serves, without those on their way.
    pub(super) slots: Vec<RangeInclusive<u16>>,
}

impl View {
    /// Reads the answer to `CLUSTER NODES`; `None` if a line is not as Redis writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let members = text.lines().map(Member::parse).collect::<Option<_>>()?;
        Some(Self { members })
    }

    /// Returns the member with this id.
    pub(super) fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Returns the member that serves `slot`.
    pub(super) fn owner(&self, slot: u16) -> Option<&Member> {
        self.members.iter().find(|member| member.serves(slot))
    }

    /// Returns the members whose master has this id.
    pub(super) fn replicas_of(&self, id: &str) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.master.as_deref() == Some(id))
    }
}

impl Member {
    /// Reads `id address flags master ping-sent pong-received epoch link slot…`.
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [id, _address, flags, master, _ping_sent, _pong_received, epoch, link, slots @ ..] = words.as_slice()
        else {
            return None;
        };
        let doubted = flags.split(',').any(|flag| DOUBTS.contains(&flag));
        Some(Self {
            id: (*id).to_owned(),
            master: (*master != "-").then(|| (*master).to_owned()),
            trusted: !doubted && *link == "connected",
            epoch: epoch.parse().ok()?,
            slots: slots
                .iter()
                .filter(|slots| !slots.starts_with('['))
                .map(|text| range(text))
                .collect::<Option<_>>()?,
        })
    }

    pub(super) fn serves(&self, slot: u16) -> bool {
        self.slots.iter().any(|slots| slots.contains(&slot))
    }
}

/// Reads `5461-10922`, or `42` for a slot alone.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
07c3 127.0.0.1:30004@31004,host1 slave e7d1 0 1426238317239 4 connected
67ed 127.0.0.1:30002@31002,,shard-id=aa master - 0 1426238316232 2 disconnected 5461-10922 42 [93-<-e7d1]
e7d1 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-41 43-5460 [77->-67ed]
824f 127.0.0.1:30005@31005 master,fail? - 1426238317741 1426238315000 3 connected
";

    #[test]
    fn lines_are_read_as_redis_writes_them() {
        let view = View::parse(NODES).expect("a view");
        let ids = |members: Vec<&Member>| members.iter().map(|member| member.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(view.members.iter().filter(|member| member.trusted).collect()), ["07c3", "e7d1"]);
        assert_eq!(ids(view.replicas_of("e7d1").collect()), ["07c3"]);
        assert_eq!(view.member("67ed").map(|member| member.epoch), Some(2));
        assert_eq!(view.member("e7d1").map(|member| member.slots.as_slice()), Some(&[0..=41, 43..=5460][..]));
        for (slot, owner) in [(41, Some("e7d1")), (42, Some("67ed")), (10_922, Some("67ed")), (10_923, None)] {
            assert_eq!(view.owner(slot).map(|member| member.id.as_str()), owner, "{slot}");
        }
    }

    #[test]
    fn other_text_is_no_view() {
        for line in ["", "07c3 127.0.0.1:1@2 master - 0 0 x connected", "07c3 a b - 0 0 1 connected 1-x"] {
            assert_eq!(View::parse(&format!("{line}\n")), None, "{line}");
        }
    }
}
