//! Any sequence of operations on a store: invariants hold after each, and pictures are unchanged.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Snapshot(usize),
    Begin,
    Append(usize, u64, usize),
    End(usize),
    Remove(usize),
    Keep(usize),
    Retain(u64),
    Idle,
    Cut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1usize..60_000).prop_map(Step::Snapshot),
        2 => Just(Step::Begin),
        8 => (0usize..3, 1u64..6, 1usize..30_000).prop_map(|(which, count, len)| Step::Append(which, count, len)),
        2 => (0usize..3).prop_map(Step::End),
        2 => (0usize..20).prop_map(Step::Remove),
        1 => (0usize..20).prop_map(Step::Keep),
        1 => (0u64..800_000).prop_map(Step::Retain),
        2 => Just(Step::Idle),
        1 => Just(Step::Cut),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The expected items: for each chunk the first picture, the number of pictures, and their length.
type Model = BTreeMap<u64, Vec<(u64, u64, usize)>>;

fn assert_pictures(bench: &Bench, model: &Model) {
    let reader = bench.reader();
    for item in bench.items() {
        let expected = &model[&item.id];
        let chunks = reader.chunks(item.id).expect("there");
        assert_eq!(chunks.len(), expected.len(), "{item:?}");
        for (row, &(first, count, len)) in chunks.iter().zip(expected) {
            let frames = reader.frames(item.id, row.number).expect("there");
            assert_eq!(frames.len() as u64, count);
            for (number, frame) in (first..).zip(frames) {
                let bytes = reader.bytes(item.id, row.number, frame.offset, frame.len).expect("there");
                assert!(bytes == jpeg(number, len), "picture {number} of {item:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_leaves_the_store_sound(steps in steps()) {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Script::new();
        let mut bench = Bench::with(folder.path(), &clock);
        let mut model = Model::new();
        let mut handles: Vec<(RecordingHandle, u64)> = Vec::new();
        let mut next = 0;
        let mut limit = u64::MAX;
        for step in steps {
            clock.pass(S);
            match step {
                Step::Snapshot(len) => {
                    let item = bench.snapshot(None, &jpeg(next, len)).expect("kept");
                    model.insert(item.id, vec![(next, 1, len)]);
                    next += 1;
                }
                Step::Begin if handles.len() < 3 => {
                    let handle = bench.begin(None);
                    model.insert(handle.id(), Vec::new());
                    handles.push((handle, 0));
                }
                Step::Append(which, count, len) if which < handles.len() => {
                    let (handle, first) = &mut handles[which];
                    let mut new = chunk(*first, count, len);
                    new.is_after_gap = len % 7 == 0;
                    bench.append(handle, new);
                    model.get_mut(&handle.id()).expect("begun").push((*first, count, len));
                    *first += count;
                }
                Step::End(which) if which < handles.len() => {
                    let (handle, frames) = handles.remove(which);
                    prop_assert_eq!(bench.end(handle).expect("it \
                        ends").map(|item| item.frames), (frames > 0).then_some(frames));
                }
                Step::Remove(which) => {
                    let items = bench.items();
                    if let Some(item) = items.get(which) {
                        prop_assert_eq!(bench.remove(vec![item.id]).is_ok(), !item.is_open);
                    }
                }
                Step::Keep(which) => {
                    let items = bench.items();
                    if let Some(item) = items.get(which) {
                        let edit = MediaEdit { is_kept: Some(!item.is_kept), ..MediaEdit::default() };
                        bench.edit(item.id, Some(item.version), edit).expect("changed");
                    }
                }
                Step::Retain(bytes) => {
                    limit = bytes;
                    let (snapshots_bytes, recordings_bytes) = (Some(bytes), Some(bytes));
                    bench.media.set_retention(RetentionRules { snapshots_bytes, recordings_bytes, ..RetentionRules::default() });
                }
                Step::Idle => {
                    clock.pass(60 * S);
                    bench.turn();
                    bench.writer.run_background();
                }
                Step::Cut => {
                    bench.cut(handles.drain(..).map(|(handle, _)| handle).collect());
                    bench = Bench::with(folder.path(), &clock);
                    limit = u64::MAX;
                }
                _ => {}
            }
            bench.assert_sound();
        }
        assert_pictures(&bench, &model);
        clock.pass(60 * S);
        bench.settle();
        for kind in [MediaKind::Snapshot, MediaKind::Recording] {
            let items: Vec<Item> = bench.items().into_iter().filter(|item| item.kind == kind).collect();
            let bytes: u64 = items.iter().map(|item| item.bytes).sum();
            prop_assert!(bytes <= limit || items.iter().all(|item| item.is_kept || item.is_open), "{:?}", items);
        }
        bench.assert_sound();
        assert_pictures(&bench, &model);
    }
}
