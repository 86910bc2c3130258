//! The one binary behind every script in `bin/`: the first argument (or the program's own name) says which program runs.

fn main() {}
