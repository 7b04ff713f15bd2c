use super::buffer;
use crate::model::{Network, Role};

/// Where a network's parameters lie in flat buffers: the penalised ones first, which so are a prefix, then all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// In the order of [`Network::parameters`].
    pub places: Vec<Place>,
    /// Values from the first on that penalties are on.
    pub decayed: usize,
    /// Trained values, those between parameters counted.
    pub len: usize,
}

/// Where one parameter lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As the network names it.
    pub name: String,
    /// The buffer that it lies in: [`buffer::PARAMETERS`], in whose place may stand any other that is laid out alike.
    pub buffer: &'static str,
    /// Its first value there.
    pub offset: usize,
    /// Rows of the matrix; 1 for a vector.
    pub rows: usize,
    /// Columns of the matrix, or values of the vector.
    pub columns: usize,
}

/// Matrices begin at a multiple of this many elements, so that vectors of four can be loaded.
const ALIGNMENT: usize = 4;

impl Places {
    /// Places for a network's parameters.
    pub fn new(network: &Network) -> Self {
        let parameters = network.parameters();
        let mut places: Vec<Place> = Vec::with_capacity(parameters.len());
        for parameter in &parameters {
            let (rows, columns) = match parameter.shape[..] {
                [rows, columns] => (rows, columns),
                _ => (1, parameter.len()),
            };
            places.push(Place {
                name: parameter.name.clone(),
                buffer: buffer::PARAMETERS,
                offset: 0,
                rows,
                columns,
            });
        }
        let mut len: usize = 0;
        let mut decayed = 0;
        for penalised in [true, false] {
            for (place, parameter) in places.iter_mut().zip(&parameters) {
                if matches!(parameter.role, Role::Weight(_)) == penalised {
                    place.offset = len;
                    len += parameter.len();
                    if penalised {
                        len = len.next_multiple_of(ALIGNMENT);
                    }
                }
            }
            if penalised {
                decayed = len;
            }
        }
        Places {
            places,
            decayed,
            len: len.next_multiple_of(ALIGNMENT),
        }
    }

    /// The place of this name.
    pub fn of(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.name == name)
    }
}

impl Place {
    /// The buffer that it lies in where trained values are in `flat`.
    pub fn among<'a>(&self, flat: &'a str) -> &'a str {
        match self.buffer {
            buffer::PARAMETERS => flat,
            other => other,
        }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
