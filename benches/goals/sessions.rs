pub fn measure() {}
pub fn open_child() {}
pub fn gone_child() {}
