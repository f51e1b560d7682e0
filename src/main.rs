//! The binary: a thin door.

use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    demo: bankgate::cli::demo::DemoArgs,
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let holds = bankgate::cli::demo::demo(&cli.demo, cli.json).await?;
    std::process::exit(if holds { 0 } else { 1 });
}
