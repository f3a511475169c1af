fn main() {
    print!("{}", tallycam::config::default_text());
}
