//! The choice of the next token.

use std::cmp::Ordering;

use sha2::{Digest, Sha256};

/// Part of the probability that is drawn from: unlikelier tokens are never chosen.
const TOP_P: f32 = 0.9;

/// Highest temperature: a model this small writes nonsense above it.
const HOTTEST: f32 = 0.6;

/// Temperatures below this choose the likeliest token.
const COLD: f32 = 0.01;

/// What a token's score is divided by when it was written lately. Much above 1.1, punctuation drifts into the text.
const PENALTY: f32 = 1.05;

/// Tokens that count as lately.
const LATELY: usize = 64;

/// Scores this far below the best one, in units of the temperature, have no share worth counting.
const NEGLIGIBLE: f32 = 14.0;

/// Chooses tokens by their scores. Equal seeds and scores give equal choices, on every machine.
#[derive(Debug)]
pub(super) struct Sampler {
    random: SplitMix64,
    temperature: f32,
    lately: Vec<u32>,
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// A sampler for one request. A repeated step has the same key and gets the same text.
    pub(super) fn new(idempotency_key: &str, temperature: f32) -> Self {
        let digest = Sha256::digest(idempotency_key.as_bytes());
        let seed = digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let temperature = if temperature.is_finite() {
            temperature.clamp(0.0, HOTTEST)
        } else {
            HOTTEST
        };
        Self {
            random: SplitMix64(seed),
            temperature,
            lately: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// Chooses among the tokens whose bit is set in `allowed`, or among all. `None` when no token has a finite score.
    pub(super) fn choose(&mut self, scores: &mut [f32], allowed: Option<&[u32]>) -> Option<u32> {
        self.penalise(scores);
        self.candidates.clear();
        match allowed {
            None => self
                .candidates
                .extend((0..).zip(scores.iter().copied()).filter(|(_, score)| score.is_finite())),
            Some(words) => {
                for (index, word) in words.iter().enumerate() {
                    let mut word = *word;
                    while word != 0 {
                        let token = index * 32 + word.trailing_zeros() as usize;
                        word &= word - 1;
                        if let Some(score) = scores.get(token).filter(|score| score.is_finite()) {
                            self.candidates.push((u32::try_from(token).unwrap_or(u32::MAX), *score));
                        }
                    }
                }
            }
        }
        let best = *self.candidates.iter().max_by(|a, b| better(**a, **b))?;
        if self.temperature < COLD {
            return Some(best.0);
        }

        let temperature = self.temperature;
        self.candidates
            .retain(|(_, score)| best.1 - score < NEGLIGIBLE * temperature);
        for (_, score) in &mut self.candidates {
            *score = ((*score - best.1) / temperature).exp();
        }
        self.candidates.sort_unstable_by(|a, b| better(*b, *a));
        let enough = TOP_P * self.candidates.iter().map(|(_, share)| share).sum::<f32>();
        let mut sum = 0.0;
        let kept = self.candidates.iter().take_while(|(_, share)| {
            let wanted = sum < enough;
            sum += share;
            wanted
        });
        let kept = kept.count();
        let total: f32 = self.candidates[..kept].iter().map(|(_, share)| share).sum();
        let mut point = self.random.unit() * total;
        let drawn = self.candidates[..kept].iter().find(|(_, share)| {
            point -= share;
            point < 0.0
        });
        // Rounding may leave the point just behind the last share.
        drawn
            .or_else(|| self.candidates[..kept].last())
            .map(|(token, _)| *token)
    }

    /// Notes a token that became part of the answer.
    pub(super) fn wrote(&mut self, token: u32) {
        if self.lately.len() == LATELY {
            self.lately.remove(0);
        }
        self.lately.push(token);
    }

    fn penalise(&self, scores: &mut [f32]) {
        for (at, token) in self.lately.iter().enumerate() {
            if self.lately[..at].contains(token) {
                continue;
            }
            if let Some(score) = scores.get_mut(*token as usize) {
                *score = if *score > 0.0 {
                    *score / PENALTY
                } else {
                    *score * PENALTY
                };
            }
        }
    }
}

/// By score; equal scores by token, so that the order is the same everywhere.
fn better(a: (u32, f32), b: (u32, f32)) -> Ordering {
    a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))
}

/// A small generator of random numbers whose sequence is fixed by its definition.
#[derive(Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to but not including 1, in steps a float can hold.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit a float exactly")]
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(key: &str, temperature: f32, scores: &[f32], allowed: Option<&[u32]>, times: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(key, temperature);
        (0..times)
            .map(|_| sampler.choose(&mut scores.to_vec(), allowed).unwrap())
            .collect()
    }

    #[test]
    fn equal_keys_draw_equal_tokens_and_others_do_not() {
        let scores: Vec<f32> = (0..100).map(|index| (index % 7) as f32 * 0.1).collect();
        assert_eq!(
            draw("run/1", 0.6, &scores, None, 50),
            draw("run/1", 0.6, &scores, None, 50)
        );
        assert_ne!(
            draw("run/1", 0.6, &scores, None, 50),
            draw("run/2", 0.6, &scores, None, 50)
        );
    }

    #[test]
    fn only_allowed_tokens_are_drawn() {
        let scores = vec![5.0; 80];
        let allowed = [1 << 3, 0, 1 << 9];
        let mut drawn = draw("key", 0.6, &scores, Some(&allowed), 200);
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, [3, 73]);
    }

    #[test]
    fn a_mask_longer_than_the_scores_is_no_error_and_an_empty_one_draws_nothing() {
        let mut sampler = Sampler::new("key", 0.6);
        assert_eq!(sampler.choose(&mut [1.0, 2.0], Some(&[0b100])), None);
        assert_eq!(sampler.choose(&mut [f32::NAN, f32::NEG_INFINITY], None), None);
    }

    #[test]
    fn unlikely_tokens_are_never_drawn() {
        // Shares of about 0.88, 0.12 and 0.0001: the first two reach 0.9.
        let scores = [10.0, 8.8, 4.6];
        let drawn = draw("key", 0.6, &scores, None, 2000);
        assert!(drawn.contains(&0) && drawn.contains(&1) && !drawn.contains(&2));
    }

    #[test]
    fn without_temperature_the_likeliest_token_is_chosen() {
        assert_eq!(draw("key", 0.0, &[1.0, 3.0, 2.0, 3.0], None, 3), [1, 1, 1]);
    }

    #[test]
    fn a_token_written_lately_scores_less() {
        let mut sampler = Sampler::new("key", 0.0);
        sampler.wrote(1);
        sampler.wrote(1);
        assert_eq!(
            sampler.choose(&mut [2.9, 3.0], None),
            Some(0),
            "3.0 / 1.05 is below 2.9"
        );
        assert_eq!(
            sampler.choose(&mut [2.8, 3.0], None),
            Some(1),
            "the penalty is taken once"
        );
        assert_eq!(
            sampler.choose(&mut [-3.1, -3.0], None),
            Some(0),
            "negative scores fall too"
        );
        for token in 100..100 + LATELY as u32 {
            sampler.wrote(token);
        }
        assert_eq!(
            sampler.choose(&mut [2.9, 3.0], None),
            Some(1),
            "it is forgotten after a while"
        );
    }
}
