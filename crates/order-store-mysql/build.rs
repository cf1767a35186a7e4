//! Lists the migrations. The macro of sqlx does the same, and has half of the dependencies built a second time, for
//! itself.

#[path = "../../migrations/list.rs"]
mod migrations;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    migrations::list("../../migrations/mysql")
}
