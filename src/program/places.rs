use super::buffer;
use crate::model::Network;

/// Where a network's parameters lie in flat buffers: the penalised ones first, which so are a prefix, then all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// In the order of [`Network::parameters`].
    pub places: Vec<Place>,
    /// Values from the first on that penalties are on.
    pub decayed: usize,
    /// Trained values, those between parameters counted.
    pub len: usize,
    /// Values of [`buffer::RUNNING`].
    pub running: usize,
}

/// Where one parameter lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As the network names it.
    pub name: String,
    /// The buffer that it lies in: [`buffer::PARAMETERS`], in whose place may stand any other that is laid out alike, or
    /// [`buffer::RUNNING`].
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
            let trained = parameter.role.is_trained();
            places.push(Place {
                name: parameter.name.clone(),
                buffer: if trained {
                    buffer::PARAMETERS
                } else {
                    buffer::RUNNING
                },
                offset: 0,
                rows,
                columns,
            });
        }
        let [mut decayed, mut len, mut running] = [0_usize; 3];
        for (place, parameter) in places.iter_mut().zip(&parameters) {
            if parameter.role.is_penalised() {
                place.offset = decayed;
                decayed = (decayed + parameter.len()).next_multiple_of(ALIGNMENT);
            }
        }
        // γ and β of a normalisation follow one another, so that they are one tensor; so do its running moments, and what
        // the waves have.
        for (place, parameter) in places.iter_mut().zip(&parameters) {
            if !parameter.role.is_trained() {
                place.offset = running;
                running += parameter.len();
            } else if !parameter.role.is_penalised() {
                place.offset = decayed + len;
                len += parameter.len();
            }
        }
        Places {
            places,
            decayed,
            len: (decayed + len).next_multiple_of(ALIGNMENT),
            running,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Embeddings, Lookup, Periodic};

    #[test]
    fn what_the_waves_have_is_one_range_behind_all_that_is_penalised() {
        let waves = Periodic::new(3);
        let network = Network {
            embeddings: Embeddings {
                periodic: Some(waves),
                lookup: Some(Lookup {
                    rows: vec![5],
                    width: 3,
                }),
            },
            ..Network::new(4, &[7], Activation::Relu, 2, Activation::Identity)
        };
        let places = Places::new(&network);
        let first = places.of("periodic.frequency").expect("it is there").offset;
        let mut end = first;
        for name in ["frequency", "phase", "weight", "bias"] {
            let place = places.of(&format!("periodic.{name}")).expect("it is there");
            assert_eq!(place.offset, end);
            end += place.len();
        }
        assert_eq!((first, end - first), (places.decayed, waves.values()));
        let table = places.of("embedding.weight").expect("it is there");
        assert!(table.offset + table.len() <= places.decayed);
        assert_eq!((table.rows, table.columns), (5, 3));
    }
}
