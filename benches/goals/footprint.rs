pub fn measure() {}
pub fn start_child() {}
pub fn idle_child() {}
