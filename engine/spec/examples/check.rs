//! Checks a folder of specs: `cargo run -p calipso-spec --example check -- specs`.

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "specs".to_owned());
    let layer = calipso_spec::read_layer(std::path::Path::new(&folder)).expect("the folder can be read");
    let loaded = calipso_spec::load(&[layer]);
    print!("{}", calipso_spec::diag::text(&loaded.diagnostics, &loaded.files, false));
    println!("{} specs, {} tests, {} diagnostics", loaded.n_specs, loaded.tests.len(), loaded.diagnostics.len());
}
