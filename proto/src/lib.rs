//! `flashgate.v1`: the generated code of the .proto files, and the bodies of the messages on the topics.
//!
//! The comments of the .proto files are the reference of the gRPC interface. Only [`body`] contains the layout of the
//! messages on topics; [`snapshot`] converts snapshots, [`sale`], [`order`], [`payment`] and [`event`] convert a sale, an
//! order, its payments and its events, [`json`] describes ids and tokens in JSON, [`channel`] keeps clients' connections
//! alive.

pub mod body;
pub mod channel;
pub mod event;
pub mod json;
pub mod order;
pub mod payment;
pub mod sale;
pub mod snapshot;
pub mod timer;

/// The generated code.
pub mod v1 {
    #![expect(missing_docs, clippy::all, clippy::pedantic, clippy::restriction, reason = "generated")]
    tonic::include_proto!("flashgate.v1");
}

/// The encoded `FileDescriptorSet` of all services, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
