//! Who a story is about.

use crate::draw::Draw;
use crate::fill::Slots;
use crate::world::{ANIMALS, BOYS, BRIGHT, GIRLS, HOMES, SPOTS, TOYS, TRAITS, TREATS};

/// Hero, friend, places and things of one story.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    /// The hero's name.
    pub(crate) name: &'static str,
    /// What the hero is: "fox", "girl".
    pub(crate) kind: &'static str,
    girl: bool,
    friend: &'static str,
    friend_kind: &'static str,
    friend_girl: bool,
    home: &'static str,
    spot: &'static str,
    quality: &'static str,
    colour: &'static str,
    treat: &'static str,
    toy: &'static str,
    key: [usize; 4],
}

impl Cast {
    /// A cast drawn at random; the friend never has the hero's name or kind.
    pub(crate) fn draw(draw: &mut Draw) -> Self {
        let girl = draw.chance(50);
        let name_index = draw.below(GIRLS.len());
        let name = if girl { GIRLS } else { BOYS }[name_index];
        // One hero in five is a child.
        let (kind, kind_index) = if draw.chance(20) {
            (if girl { "girl" } else { "boy" }, ANIMALS.len())
        } else {
            let index = draw.below(ANIMALS.len());
            (ANIMALS[index], index)
        };
        let friend_girl = draw.chance(50);
        let friend_names = if friend_girl { GIRLS } else { BOYS };
        let friend_index =
            (name_index + 1 + draw.below(friend_names.len() - 1)) % friend_names.len();
        let step = 1 + draw.below(ANIMALS.len() - 1);
        let home_index = draw.below(HOMES.len());
        Self {
            name,
            kind,
            girl,
            friend: friend_names[friend_index],
            friend_kind: ANIMALS[(kind_index + step) % ANIMALS.len()],
            friend_girl,
            home: HOMES[home_index],
            spot: draw.pick(SPOTS),
            quality: draw.pick(TRAITS),
            colour: draw.pick(BRIGHT),
            treat: draw.pick(TREATS),
            toy: draw.pick(TOYS),
            key: [usize::from(girl), name_index, kind_index, home_index],
        }
    }

    /// What decides the side of the split, together with the plot.
    pub(crate) fn key(&self) -> Vec<usize> {
        self.key.to_vec()
    }

    /// The text with the friend's kind at the first place where the friend is named, unless it stands there already.
    pub(super) fn introduced(&self, text: &str) -> String {
        let Some(at) = text.find(self.friend) else {
            return text.to_owned();
        };
        let (before, after) = text.split_at(at + self.friend.len());
        let known = after.starts_with(" the ") || before[..at].ends_with("named ");
        if known {
            text.to_owned()
        } else {
            format!("{before} the {}{after}", self.friend_kind)
        }
    }

    /// The values of the gaps that openings, plots and endings use.
    pub(crate) fn slots(&self) -> Slots {
        let (he, him, his) = pronouns(self.girl);
        let (fhe, fhim, fhis) = pronouns(self.friend_girl);
        Slots::new(&[
            ("name", self.name),
            ("kind", self.kind),
            ("he", he),
            ("him", him),
            ("his", his),
            ("friend", self.friend),
            ("fkind", self.friend_kind),
            ("fhe", fhe),
            ("fhim", fhim),
            ("fhis", fhis),
            ("home", self.home),
            ("spot", self.spot),
            ("trait", self.quality),
            ("colour", self.colour),
            ("treat", self.treat),
            ("toy", self.toy),
        ])
    }
}

/// Subject, object and possessive pronoun.
pub(crate) const fn pronouns(girl: bool) -> (&'static str, &'static str, &'static str) {
    if girl {
        ("she", "her", "her")
    } else {
        ("he", "him", "his")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Split;

    #[test]
    fn a_friend_is_introduced_once() {
        let mut cast = Cast::draw(&mut Draw::new(0, Split::Train, 0));
        (cast.friend, cast.friend_kind) = ("Mia", "owl");
        assert_eq!(
            cast.introduced("Mia sang. Mia sat."),
            "Mia the owl sang. Mia sat."
        );
        assert_eq!(cast.introduced("Mia the owl sang."), "Mia the owl sang.");
        assert_eq!(
            cast.introduced("An owl named Mia sang."),
            "An owl named Mia sang."
        );
        assert_eq!(cast.introduced("Nobody sang."), "Nobody sang.");
    }

    #[test]
    fn hero_and_friend_differ() {
        for index in 0..2000 {
            let cast = Cast::draw(&mut Draw::new(0, Split::Train, index));
            assert_ne!(cast.name, cast.friend);
            assert_ne!(cast.kind, cast.friend_kind);
        }
    }
}
