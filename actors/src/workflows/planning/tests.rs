//! What a planning run does, with a scripted model on a cluster in memory and paused time.
//!
//! The defects of the original (P1 to P26) that these tests make impossible are named at the tests. P16 and P26 do not apply: there
//! is no endpoint that posts artifacts or runs single phases. P17 is the business of the phases' own tests, P18, P19 and P23
//! belong to features that are not here, P25 is checked again where HTTP is.

mod audit;
mod control;
mod crash;
mod drafts;
mod gate;
mod harness;
mod memory;
mod prompts;
mod review;
mod tenant;
mod whole;
