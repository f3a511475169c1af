//! Drawing on planar YUV pictures.
