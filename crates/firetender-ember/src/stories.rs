//! Short stories with a happy or a sad mood.
//!
//! A story is a cast (hero, friend, places, things) sent through a plot: a neutral opening and wish, then a turn for the
//! better or the worse and what the two feel about it. The opening never gives the mood away, so that a model that continues a
//! neutral opening has to choose: that choice is what a mood vector moves. Both moods of a plot use the same cast, so that
//! contrast pairs differ in the mood and in little else.

mod cast;
mod moods;
mod plots;

use crate::document::{Body, Document, Kind, Labels, Mood};
use crate::draw::{Draw, Split};
use crate::fill::{Slots, with_article};
use cast::Cast;
pub(crate) use cast::pronouns;
use plots::PLOTS;

const SALT: u64 = 0x5704;

/// A cast and the plot it goes through.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// Who and where.
    pub(crate) cast: Cast,
    plot: usize,
    slots: Slots,
}

/// A setting of one side of the split: hero, kind, plot and home together decide the side.
pub(crate) fn setting(draw: &mut Draw, split: Split) -> Setting {
    let (cast, plot) = draw.admitted(split, SALT, |draw| {
        let cast = Cast::draw(draw);
        let plot = draw.below(PLOTS.len());
        let mut key = cast.key();
        key.push(plot);
        ((cast, plot), key)
    });
    let slots = cast.slots();
    Setting { cast, plot, slots }
}

/// Half of the time happy, half of the time sad.
pub(crate) fn any_mood(draw: &mut Draw) -> Mood {
    if draw.chance(50) {
        Mood::Happy
    } else {
        Mood::Sad
    }
}

impl Setting {
    /// The first, neutral sentences.
    pub(crate) fn opening(&self, draw: &mut Draw) -> String {
        let mut text = self.slots.fill(draw.pick(moods::OPENINGS));
        if draw.chance(60) {
            text.push(' ');
            text.push_str(&self.slots.fill(draw.pick(moods::HABITS)));
        }
        text
    }

    /// A sentence on the day, which shows the mood.
    pub(crate) fn day(&self, draw: &mut Draw, mood: Mood) -> String {
        self.slots.fill(draw.pick(moods::day(mood)))
    }

    /// A sentence on how the hero feels.
    pub(crate) fn feeling(&self, draw: &mut Draw, mood: Mood) -> String {
        let mut slots = self.slots.clone();
        let words = moods::feelings(mood);
        let first = draw.below(words.len());
        let second = (first + 1 + draw.below(words.len() - 1)) % words.len();
        slots.set("feel", words[first]);
        slots.set("feel2", words[second]);
        slots.fill(draw.pick(moods::felt(mood)))
    }

    /// The whole story.
    pub(crate) fn story(&self, draw: &mut Draw, mood: Mood) -> String {
        let plot = &PLOTS[self.plot];
        let mut sentences = vec![self.opening(draw)];
        if draw.chance(50) {
            sentences.push(self.day(draw, mood));
        }
        sentences.push(self.slots.fill(draw.pick(plot.wish)));
        sentences.push(self.slots.fill(draw.pick(plot.turn(mood))));
        sentences.push(self.feeling(draw, mood));
        if draw.chance(80) {
            sentences.push(self.slots.fill(draw.pick(moods::friend(mood))));
        }
        sentences.push(self.slots.fill(draw.pick(moods::ending(mood))));
        self.cast.introduced(&sentences.join(" "))
    }

    /// What a request for this story may name: the hero's kind, the hero, the thing or nothing.
    pub(crate) fn topic(&self, draw: &mut Draw) -> Option<String> {
        let kind = with_article(self.cast.kind);
        match draw.below(8) {
            0..4 => Some(kind),
            4 | 5 => Some(format!("{kind} named {}", self.cast.name)),
            6 => Some(self.slots.fill(PLOTS[self.plot].topic)),
            _ => None,
        }
    }
}

/// A story as plain text.
pub(crate) fn plain(draw: &mut Draw, split: Split) -> Document {
    let setting = setting(draw, split);
    let mood = any_mood(draw);
    let text = setting.story(draw, mood);
    labelled(Kind::Story, Body::Plain(text), mood)
}

/// A request of the user for a story, with the mood named or not.
pub(crate) fn request_text(draw: &mut Draw, topic: Option<&str>, mood: Option<Mood>) -> String {
    let story = match mood {
        None => "a story",
        Some(Mood::Happy) => "a happy story",
        Some(Mood::Sad) => "a sad story",
    };
    let about = topic.map_or_else(String::new, |topic| format!(" about {topic}"));
    draw.pick(&[
        "Tell me {story}{about}.",
        "Please tell me {story}{about}.",
        "Write {story}{about}.",
        "Can you tell me {story}{about}?",
        "I would like to hear {story}{about}.",
    ])
    .replace("{story}", story)
    .replace("{about}", &about)
}

/// A story that the user asks for. Half of the requests name no mood, and then both moods are as likely.
pub(crate) fn request(draw: &mut Draw, split: Split) -> Document {
    let setting = setting(draw, split);
    let mood = any_mood(draw);
    let named = draw.chance(50).then_some(mood);
    let topic = setting.topic(draw);
    let question = request_text(draw, topic.as_deref(), named);
    let body = Body::exchange(question, setting.story(draw, mood));
    labelled(Kind::Request, body, mood)
}

fn labelled(kind: Kind, body: Body, mood: Mood) -> Document {
    let labels = Labels {
        mood: Some(mood),
        ..Labels::default()
    };
    Document { kind, body, labels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::mood_balance;

    #[test]
    fn words_of_the_lists_tell_the_moods_apart_and_openings_do_not() {
        let (mut right, mut total) = (0, 0);
        for index in 0..500 {
            let mut draw = Draw::new(3, Split::Train, index);
            let setting = setting(&mut draw, Split::Train);
            let (_, seen) = mood_balance(&setting.opening(&mut draw));
            assert_eq!(seen, 0, "{}", setting.opening(&mut draw));
            for (mood, sign) in [(Mood::Happy, 1), (Mood::Sad, -1)] {
                let story = setting.story(&mut draw, mood);
                total += 1;
                right += usize::from(mood_balance(&story).0 * sign > 0);
            }
        }
        assert!(right * 100 >= total * 97, "{right} of {total}");
    }

    #[test]
    fn no_story_is_on_both_sides() {
        let texts = |split| {
            (0..2000)
                .map(|i| plain(&mut Draw::new(1, split, i), split).body)
                .collect::<std::collections::HashSet<_>>()
        };
        assert!(texts(Split::Train).is_disjoint(&texts(Split::HeldOut)));
    }
}
