//! The harness of the end-to-end tests: real gateways and order workers as processes, on the real stack.
//!
//! ```text
//! let shop = Deployment::of("sale").gateways(2).workers(2).start().await;
//! let sale = shop.open_sale(SaleForm::of_stock(500).limit(2)).await;
//! let answer = shop.gateways[0].door().buy(&Purchase::new(sale, "buyer-1", "key-1", 1)).await;
//! shop.conserved(sale, &heard).await;
//! shop.stop().await;
//! ```
//!
//! | module | subject |
//! |---|---|
//! | [`stack`], [`secure`] | where Redis, MySQL and RocketMQ are: `source DIR/stack.env` first; how to log in |
//! | [`deployment`], [`gateway`], [`worker`] | a deployment of its own for each test: prefix, database, topics |
//! | [`process`], [`own_stack`], [`redis_server`], [`redis_pair`], [`mysql_pair`], [`rocketmq_server`], [`proxy`], [`lines`] | what can be killed, stopped, cut off and started again |
//! | [`door`], [`purchase`], [`crowd`], [`rush`] | buyers, over HTTP, gRPC and streams, and what they heard |
//! | [`raw_grpc`], [`raw_http2`] | peers that send what no client would |
//! | [`payment_provider`] | the provider as a process, and buyers who pay there |
//! | [`operator`], [`command`] | sales; audits and repairs as an operator types them |
//! | [`order_store`], [`stock`], [`broker`], [`metrics`] | looks into the real stores |
//! | [`books`] | the conservation laws, checked on both sides and across |
//! | [`drill`] | strikes on a whole deployment, again and again |
//! | [`mod@eventually`], [`seed`], [`ports`], [`sockets`] | waiting, chance, ports, connections |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may fail where it stands, and tells what it saw"
)]

pub mod books;
pub mod broker;
pub mod command;
pub mod crowd;
pub mod deployment;
pub mod door;
pub mod drill;
pub mod eventually;
pub mod gateway;
pub mod lines;
pub mod metrics;
pub mod mysql_pair;
pub mod operator;
pub mod order_store;
pub mod own_stack;
pub mod payment_provider;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod purchase;
pub mod raw_grpc;
pub mod raw_http2;
pub mod redis_pair;
pub mod redis_server;
pub mod rocketmq_server;
pub mod rush;
pub mod secure;
pub mod seed;
pub mod sockets;
pub mod stack;
pub mod stock;
pub mod worker;

pub use books::Books;
pub use command::flashgate;
pub use crowd::{Heard, ask_all};
pub use deployment::Deployment;
pub use door::{Door, DoorStream, SeenOrder};
pub use eventually::eventually;
pub use operator::SaleForm;
pub use payment_provider::PaymentProvider;
pub use purchase::{Answer, Purchase, Refused};
pub use rush::Rush;
pub use seed::Seed;
