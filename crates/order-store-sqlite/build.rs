//! Lists the migrations.

#[path = "../../migrations/list.rs"]
mod migrations;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    migrations::list("../../migrations/sqlite")
}
