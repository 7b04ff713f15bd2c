//! How much memory there is.

use std::fs;

/// Memory that there is taken to be, in MiB: for machines that are shared.
const NAMED: &str = "GPU_MLP_MEMORY";

/// Bytes of memory that this process may still take at about: what the system has available, or what its control group leaves it,
/// whichever is less; `GPU_MLP_MEMORY` in MiB in their place. `None` where the system does not tell.
pub fn memory_there() -> Option<u64> {
    let named = std::env::var(NAMED).ok();
    if let Some(mebibytes) = named.and_then(|text| text.parse::<u64>().ok()) {
        return Some(mebibytes << 20);
    }
    let system = available(&fs::read_to_string("/proc/meminfo").ok()?);
    let group = fs::read_to_string("/proc/self/cgroup").ok();
    let left = group.and_then(|text| of_group(&text, |path| fs::read_to_string(path).ok()));
    system.into_iter().chain(left).min()
}

/// From `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// What the control groups of `/proc/self/cgroup`, and those above, leave: their limits less what they use, but for files that the
/// system gives up when memory is short.
fn of_group(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    const ROOT: &str = "/sys/fs/cgroup";
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let cached = |path: &str| {
        let stat = read(path)?;
        let of = |key: &str| {
            let found = stat.lines().find_map(|line| line.strip_prefix(key));
            found.and_then(|value| value.trim().parse::<u64>().ok())
        };
        Some(of("inactive_file ").unwrap_or(0) + of("active_file ").unwrap_or(0))
    };
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, limit, used) = match kinds {
            "" => (ROOT.to_owned(), "memory.max", "memory.current"),
            kinds if kinds.split(',').any(|kind| kind == "memory") => (
                format!("{ROOT}/memory"),
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            ),
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            let folder = format!("{root}{path}");
            if let Some(limit) = number(&format!("{folder}/{limit}")) {
                let used = number(&format!("{folder}/{used}")).unwrap_or(0);
                let held =
                    used.saturating_sub(cached(&format!("{folder}/memory.stat")).unwrap_or(0));
                let left = limit.saturating_sub(held);
                least = Some(least.map_or(left, |least: u64| least.min(left)));
            }
            match path.rfind('/') {
                Some(end) => path = &path[..end],
                None => break,
            }
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_what_groups_leave_is_what_there_is() {
        let files = |path: &str| {
            let text = match path {
                "/sys/fs/cgroup/a/b/memory.max" => "max",
                "/sys/fs/cgroup/a/memory.max" => "1000\n",
                "/sys/fs/cgroup/a/memory.current" => "700\n",
                "/sys/fs/cgroup/a/memory.stat" => "anon 1\ninactive_file 100\nactive_file 50\n",
                "/sys/fs/cgroup/memory.max" => "5000\n",
                "/sys/fs/cgroup/memory/c/memory.limit_in_bytes" => "600\n",
                "/sys/fs/cgroup/memory/c/memory.usage_in_bytes" => "900\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        assert_eq!(of_group("0::/a/b\n", files), Some(450));
        assert_eq!(of_group("0::/\n", files), Some(5000));
        assert_eq!(of_group("3:cpu:/x\n2:hugetlb,memory:/c\n", files), Some(0));
        assert_eq!(of_group("0::/unknown\nwhat\n", |_| None), None);
        assert_eq!(
            available("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"),
            Some(2 << 20)
        );
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }
}
