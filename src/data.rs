//! Readers, preprocessing and target encoding.
