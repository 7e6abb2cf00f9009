//! Cells of the screen: tables, sparklines, bars, heat maps. In: values that are ready to show. Out: a buffer or text.

mod bar;
mod grid;
mod heat;
mod spark;

pub(crate) use bar::bar;
pub(crate) use grid::{Cell, Column, Grid};
pub(crate) use heat::{AXIS_CELLS, Heat, time_axis};
pub(crate) use spark::spark;
