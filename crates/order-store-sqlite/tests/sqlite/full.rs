//! A file that cannot grow.

use flashgate_domain::{Decision, SaleId};
use flashgate_order_store::{
    OrderRepository, SaleRepository, StoreError,
    contract::scene::{NOW, decided, decisions, draft, singles},
};
use flashgate_order_store_sqlite::{SqliteSettings, SqliteStore};

use crate::Folder;

const FILE_BYTES_MAX: u64 = 256 * 1024;

async fn saleable(store: &SqliteStore, sale: SaleId) -> u64 {
    store.sale(sale).await.unwrap().unwrap().saleable
}

#[tokio::test]
async fn a_full_store_refuses_whole_chunks_until_space_is_free() {
    let folder = Folder::new();
    let settings = SqliteSettings { file_bytes_max: Some(FILE_BYTES_MAX), ..SqliteSettings::default() };
    let store = SqliteStore::open(folder.file(), settings).await.unwrap();
    let stock = 1_000_000;
    let sale = store.create_sale(&draft("A thing", stock).unwrap(), NOW).await.unwrap().id;
    let mut stored = 0;
    let (refused, fault) = loop {
        let batch = singles(stored + 1, sale, 100).unwrap();
        match store.apply(std::slice::from_ref(&batch), NOW).await {
            Ok(_placed) => stored += 1,
            Err(fault) => break (batch, fault),
        }
        assert!(stored < 10_000, "it never fills");
    };
    assert!(matches!(&fault, StoreError::Unavailable(why) if why.contains("full")), "{fault}");
    assert!(fault.retry_safe());
    assert!(stored > 5, "{stored}");

    // Repeatedly, as the worker does; stored rows can be read meanwhile.
    for _ in 0..3 {
        assert!(store.apply(std::slice::from_ref(&refused), NOW).await.is_err());
        assert_eq!(saleable(&store, sale).await, stock - 100 * stored);
        assert!(store.order(refused.id().base()).await.unwrap().is_none());
    }
    let known = singles(1, sale, 100).unwrap();
    store.apply(&[known], NOW).await.unwrap();

    store.limit_file(None).await.unwrap();
    let outcomes = decided(store.apply(&[refused], NOW).await.unwrap()).unwrap();
    assert_eq!(decisions(&outcomes), vec![Decision::Confirmed; 100]);
    assert_eq!(saleable(&store, sale).await, stock - 100 * (stored + 1));
    store.shutdown().await;
    assert_eq!(saleable(&folder.store().await, sale).await, stock - 100 * (stored + 1));
}
